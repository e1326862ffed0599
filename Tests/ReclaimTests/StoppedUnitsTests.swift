import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing
import Units
import VFIO

private let gpu = "0000:01:00.0"
private let card = "/dev/dri/card0"

/// The services that a claim stops, and when they are started again.
@Suite("Stopped units")
struct StoppedUnitsTests {
    private static let options: ClaimOptions = {
        var options = ClaimOptions()
        options.stoppableUnits = ["nvidia-persistenced.service", "gdm.service", "second.service"]
        return options
    }()

    private func machine() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            CardNode(0, of: gpu)
            Process(700, "Xorg", holds: card, of: "gdm.service")
            Process(701, "second", holds: card, of: "second.service")
        }
    }

    private func claimed() throws -> FixtureHost {
        let host = try machine()
        #expect(try host.claim(options: Self.options).isClaimed)
        return host
    }

    private func address() throws -> PCIAddress { try #require(PCIAddress(gpu)) }

    private func recover(_ host: FixtureHost) throws -> Restoration? {
        try Releaser(host: host).recover(try address())
    }

    @Test("They are stopped before the card is written to, and started in reverse when it has its driver and its node")
    func rounds() throws {
        let host = try machine()
        let start = try host.folder.state()
        for _ in 0..<3 {
            let before = host.unitCalls.count
            host.beforeWrite = { path, _ in
                if path == KernelPath.systemctl { #expect((try? host.driver) == "amdgpu") }
            }
            #expect(try host.claim(options: Self.options).isClaimed)
            #expect(try host.record(of: address())?.stoppedUnits == ["gdm.service", "second.service"])
            let released = try host.release()
            #expect(released.restoration.isComplete)
            #expect(released.restoration.performed.suffix(2).map(\.action) == [.startUnit, .startUnit])
            let expected = ["stop gdm.service", "stop second.service", "start second.service", "start gdm.service"]
            #expect(Array(host.unitCalls[before...]) == expected)
            #expect(try host.folder.state() == start)
        }
        #expect(host.paused == 0)
    }

    @Test("The last close is waited for, and a process that stays is named when everything is undone")
    func lingering() throws {
        let host = try machine()
        host.lingering = ["gdm.service": 3]
        #expect(try host.claim(options: Self.options).isClaimed)
        #expect(host.pauses == 3)
        let stays = try machine()
        let start = try stays.folder.state()
        stays.lingering = ["gdm.service": .max]
        let outcome = try stays.claim(options: Self.options)
        let failure = try #require(outcome.stepFailure)
        #expect(failure.step.action == .awaitClose && failure.code == .inUse)
        #expect(failure.found.contains("Xorg (pid 700, gdm.service) holds /dev/dri/card0"))
        #expect(stays.writes.isEmpty)
        #expect(stays.unitCalls.suffix(2) == ["start second.service", "start gdm.service"])
        #expect(outcome.undo?.isComplete == true)
        #expect(try stays.folder.state() == start)
    }

    @Test("A service that does not stop fails the claim, and those that have stopped are started")
    func notStopped() throws {
        let host = try machine()
        let start = try host.folder.state()
        host.unitErrors = ["stop second.service": .late(seconds: 60)]
        let outcome = try host.claim(options: Self.options)
        #expect(outcome.stepFailure?.step.target == "second.service")
        #expect(outcome.stepFailure?.found == "not done within 60 seconds")
        #expect(host.writes.isEmpty)
        #expect(try host.folder.state() == start)
        #expect(try host.recorded().isEmpty)
    }

    @Test("A claim that fails later, or is not proven, starts them when the card is back")
    func failing() throws {
        for isProof in [false, true] {
            let host = try machine()
            let start = try host.folder.state()
            if isProof {
                host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
            } else {
                host.faults[2] = .fails(.ioError)
            }
            let outcome = try host.claim(options: Self.options)
            #expect(outcome.failure != nil && outcome.undo?.isComplete == true)
            #expect(host.unitCalls.suffix(2) == ["start second.service", "start gdm.service"])
            #expect(try host.folder.state() == start)
        }
    }

    @Test("One that does not start is a loss with its name, and the card is released")
    func notStarted() throws {
        let host = try claimed()
        host.unitErrors = ["start second.service": .failed(status: 1)]
        let outcome = try host.release()
        #expect(outcome.restoration.isFinished)
        #expect(outcome.restoration.losses.count == 1)
        #expect(
            outcome.restoration.losses.first?.hasPrefix("second.service, which the claim has stopped, could not")
                == true)
        #expect(host.unitCalls.last == "start gdm.service")
        #expect(try host.driver == "amdgpu")
        #expect(try host.recorded().isEmpty)
    }

    @Test("While the card is not restored they stay stopped, and recover starts them")
    func unfinished() throws {
        let host = try claimed()
        host.faults[host.writes.count] = .fails(.ioError)
        let outcome = try host.release()
        #expect(!outcome.restoration.isFinished)
        #expect(outcome.restoration.losses.contains { $0.hasPrefix("gdm.service") })
        #expect(!host.unitCalls.contains("start gdm.service"))
        host.faults = [:]
        #expect(try recover(host)?.isComplete == true)
        #expect(host.unitCalls.suffix(2) == ["start second.service", "start gdm.service"])
    }

    @Test("At shutdown nothing is started")
    func shutdown() throws {
        let host = try claimed()
        host.isShuttingDown = true
        #expect(try host.release().restoration.isComplete)
        #expect(host.unitCalls == ["stop gdm.service", "stop second.service"])
    }

    @Test("A card that the host keeps away leaves them stopped, and says so; one that is gone does not")
    func keptOrGone() throws {
        let kept = try claimed()
        #expect(try kept.release(keeps: true).announced.count == 2)
        #expect(kept.unitCalls.count == 2)
        let gone = try claimed()
        let record = try #require(try gone.record(of: address()))
        try Releaser(host: gone).abandon(record)
        #expect(gone.unitCalls.suffix(2) == ["start second.service", "start gdm.service"])
        #expect(try gone.recorded().isEmpty)
    }

    @Test("The node of the host's driver is waited for, but not for ever")
    func node() throws {
        let host = try claimed()
        try host.folder.remove(card)
        host.beforePause = { number in
            if number == 4 { #expect(throws: Never.self) { try host.folder.write("", to: card) } }
        }
        var warnings: [String] = []
        let tell = { (event: ClaimEvent) in if case .warning(let warning) = event { warnings.append(warning) } }
        _ = try Releaser(host: host, tell: tell).release(try address())
        #expect(host.pauses == 5)
        #expect(warnings.isEmpty)
        let never = try claimed()
        try never.folder.remove(card)
        _ = try Releaser(host: never, tell: tell).release(try address())
        #expect(never.paused == 10_000)
        #expect(warnings.contains { $0.contains("no /dev/dri node") })
        #expect(never.unitCalls.last == "start gdm.service")
    }

    @Test("A claim over a standing one that fails starts what it has stopped itself, and no more")
    func standing() throws {
        let host = try claimed()
        // Somebody has it by hand again, and a late framebuffer is in the BAR.
        try host.kernel.appear(FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff))
        try host.kernel.begin(Process(702, "weston", holds: "/dev/fb0", of: "third.service"))
        var options = Self.options
        options.stoppableUnits.append("third.service")
        host.faults[host.writes.count] = .fails(.ioError)
        let outcome = try host.claim(options: options)
        #expect(outcome.stepFailure != nil)
        #expect(host.unitCalls.suffix(2) == ["stop third.service", "start third.service"])
        #expect(try host.record(of: address())?.stoppedUnits == ["gdm.service", "second.service"])
        #expect(try host.record(of: address())?.state == .claimed)
        host.faults = [:]
        #expect(try host.claim(options: options).isClaimed)
        #expect(
            try host.record(of: address())?.stoppedUnits == ["gdm.service", "second.service", "third.service"])
        _ = try host.release()
        #expect(host.unitCalls.suffix(3) == ["start third.service", "start second.service", "start gdm.service"])
    }

    @Test("Services that come back at once are not stopped again and again")
    func comingBack() throws {
        let host = try machine()
        var calls = 0
        host.afterUnitCall = { call in
            guard call == "stop second.service" else { return }
            calls += 1
            #expect(throws: Never.self) {
                try host.kernel.begin(Process(710, "Xorg", holds: card, of: "gdm.service"))
            }
        }
        let outcome = try host.claim(options: Self.options)
        #expect(outcome.failure != nil)
        #expect(calls == 1)
    }
}
