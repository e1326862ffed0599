import Aperture
import Fixtures
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing
import VFIO

private let gpu = "0000:01:00.0"
private let card = "/sys/bus/pci/devices/\(gpu)"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

extension FixtureHost {
    fileprivate var standing: ClaimRecord? {
        get throws { try recorded().first.flatMap(record) }
    }

    fileprivate func unbindByHand() throws { try write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind") }

    /// Nobody knows who has what open: /proc is a container's.
    fileprivate func hideProcesses() throws {
        try folder.makeFolder("/proc/self/ns")
        try folder.symlink("/proc/self/ns/pid", destination: "pid:[4026532001]")
    }
}

/// Which earlier claim a new one builds upon, and what becomes of that one.
@Suite("A claim of a claimed card")
struct StandingClaimTests {
    @Test("Of a card that was replaced nothing of the earlier claim counts")
    func replaced() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        #expect(try host.claim().isClaimed)
        try host.write("1", to: "\(card)/remove")
        try host.write("1", to: "/sys/bus/pci/rescan")
        // Somebody has the new one on vfio-pci by himself.
        try host.write("vfio-pci", to: "\(card)/driver_override")
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        _ = try host.claim()
        let record = try #require(try host.standing)
        #expect(record.prior.functions.map(\.driver) == ["vfio-pci"])
        #expect(record.device == host.identity(ofDevice: card))
        _ = try host.release()
        #expect(try host.driver == "vfio-pci")
    }

    @Test("What somebody bound by hand is what a release of the next claim goes back to")
    func boundByHand() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        #expect(try host.claim().isClaimed)
        try host.unbindByHand()
        try host.write("\n", to: "\(card)/driver_override")
        try host.load(module: "bochs")
        try host.write(gpu, to: "/sys/bus/pci/drivers/bochs-drm/bind")
        #expect(try host.claim().isClaimed)
        #expect(try host.standing?.prior.functions.map(\.driver) == ["bochs-drm"])
        _ = try host.release()
        #expect(try host.driver == "bochs-drm")
    }

    @Test("A card that somebody took away and left free for any driver is no longer the one that was claimed")
    func takenAway() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        #expect(try host.claim().isClaimed)
        try host.unbindByHand()
        try host.write("\n", to: "\(card)/driver_override")
        #expect(try host.claim().isClaimed)
        #expect(try host.standing?.prior.functions.map(\.driver) == [nil])
        _ = try host.release()
        #expect(try host.driver == nil)
    }

    @Test("A claim over a standing one that fails goes back to that one, and no further")
    func failing() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        #expect(try host.claim().isClaimed)
        let before = try #require(try host.standing)
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        host.faults[host.writes.count + 1] = .fails(.ioError)
        #expect(try host.claim().stepFailure != nil)
        let record = try #require(try host.standing)
        #expect(record.state == .claimed)
        #expect(record.prior.functions == before.prior.functions)
        #expect(record.device == before.device)
        #expect(try host.driver == "vfio-pci")
        host.faults = [:]
        _ = try host.release()
        #expect(try host.driver == "amdgpu")
    }

    @Test(
        "A claim over a standing one that rescanned the card, and fails, leaves the record of the card that came back")
    func rescanned() throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        let before = try #require(try host.standing)
        try host.kernel.appear(FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu))
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        #expect(outcome.rungs.contains(.rescan) && outcome.undo != nil)
        let record = try #require(try host.standing)
        #expect(record.state == .claimed)
        #expect(record.device != before.device)
        #expect(record.device == host.identity(ofDevice: card))
        // It is known again, and given back.
        #expect(try host.release().restoration.isFinished)
        #expect(try host.driver == nil)
    }

    @Test("A standing claim is left alone by recover")
    func standing() throws {
        let host = try FaultedPlan.evict.claimed()
        let record = try #require(try host.standing)
        let writes = host.writes.count
        #expect(try Releaser(host: host).recover(record) == nil)
        #expect(host.writes.count == writes)
        #expect(try host.standing == record)
    }

    @Test("nvidia's modules come back with the release, however many claims there were", arguments: [1, 2])
    func modules(_ claims: Int) throws {
        let host = try FaultedPlan.unloading.claimed()
        if claims == 2 {
            try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
            #expect(try host.claim(options: FaultedPlan.unloading.options).isClaimed)
        }
        #expect(try host.standing?.unloadedModules == ["nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia"])
        _ = try host.release()
        #expect(try host.driver == "nvidia")
    }
}

/// nvidia's modules on the way back.
@Suite("Modules on the way back")
struct ModulesBackTests {
    @Test("An undo to a claim that unloaded them long before loads none")
    func undo() throws {
        let host = try FaultedPlan.unloading.claimed()
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        #expect(try host.claim(options: FaultedPlan.unloading.options).undo != nil)
        #expect(host.loadedModules.isEmpty)
        #expect(try host.driver == "vfio-pci")
    }

    @Test("Those that somebody has loaded again are left as they are, and nvidia has its card back")
    func loaded() throws {
        let host = try FaultedPlan.unloading.claimed()
        try host.load(module: "nvidia")
        #expect(try host.release().restoration.isComplete)
        #expect(host.loadedModules == ["nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm"])
        #expect(try host.driver == "nvidia")
    }
}

/// What a claim that does not end well leaves.
@Suite("A claim that fails midway")
struct FailingMidwayTests {
    private func claim(_ host: FixtureHost, after action: PlanStep.Action, _ work: @escaping () throws -> Void) throws
        -> ClaimOutcome
    {
        var settings = Claimer<FixtureHost>.Settings()
        settings.releaseDeadline = 1000
        var isDone = false
        let claimer = Claimer(host: host, settings: settings) { event in
            guard case .stepped(let step) = event, step.action == action, !isDone else { return }
            isDone = true
            #expect(throws: Never.self) { try work() }
        }
        return try claimer.claim(try #require(PCIAddress(gpu)))
    }

    @Test("A framebuffer that came while the claim went on is given back by its undo")
    func lateFramebuffer() throws {
        let host = try FixtureHost { GPU(gpu) }
        // The framebuffer is evicted after the bind, and then the proof fails.
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try claim(host, after: .setDriverOverride) {
            try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        }
        #expect(outcome.performed.map(\.action).contains(.unbindFramebuffer))
        guard case .vfio = try #require(outcome.failure) else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(outcome.undo?.isComplete == true)
        let framebuffer = "/sys/bus/platform/devices/efi-framebuffer.0"
        #expect(try host.driver(ofDevice: framebuffer) == "efi-framebuffer")
        #expect(try host.attribute("\(framebuffer)/driver_override") == nil)
    }

    @Test(
        "A host device that joins the IOMMU group while the claim goes on ends it, and everything is undone",
        arguments: [PlanStep.Action.setDriverOverride, .unbindDriver, .bindVFIO])
    func groupMember(_ action: PlanStep.Action) throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        let outcome = try claim(host, after: action) {
            try host.kernel.appear(Function("0000:03:00.0", class: 0x020000, driver: "e1000e", group: 1))
        }
        guard case .refusedMidway(let refusals) = try #require(outcome.failure) else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(refusals.map(\.code) == [.groupNotViable])
        #expect(refusals.first?.message.contains("0000:03:00.0 (e1000e)") == true)
        #expect(outcome.undo?.isComplete == true)
        #expect(try host.driver == "amdgpu")
        #expect(try host.attribute(KernelPath.driverOverride(try #require(PCIAddress(gpu)))) == nil)
    }

    @Test("A module that registers another driver than it should is a step that failed")
    func otherDriver() throws {
        let host = try FaultedPlan.loading.machine()
        host.kernel.driversOfModules["vfio-pci"] = "other"
        let failure = try #require(try host.claim().stepFailure)
        #expect(failure.step.action == .loadDriver)
        #expect(failure.description.hasSuffix("/sys/bus/pci/drivers/vfio-pci does not exist"))
    }

    @Test("A card that does not come back from the rescan is named as that")
    func noReturn() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        host.faults[4] = .isIgnored
        let failure = try #require(try host.claim().stepFailure)
        #expect(failure.step.action == .rescanBus)
        #expect(failure.description.hasSuffix("\(card) did not come back"))
    }

    @Test("A card that goes away under its unbind is gone, and not unbound")
    func vanishing() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        host.faults[1] = .vanishes
        let failure = try #require(try host.claim().stepFailure)
        #expect(failure.step.action == .unbindDriver)
        #expect(failure.description.hasSuffix("\(card) is gone"))
    }

    @Test("Where the next plan refuses to go on, the claim ends there and is undone")
    func refusedMidway() throws {
        let host = try FaultedPlan.evict.machine()
        let start = try host.folder.state()
        let outcome = try claim(host, after: .unbindFramebuffer) { try host.folder.write("", to: "/proc/iomem") }
        guard case .refusedMidway(let refusals) = outcome.failure else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(refusals.map(\.code) == [.iomemUnreadable])
        #expect(outcome.performed.map(\.action).last == .unbindFramebuffer)
        #expect(outcome.undo?.failures.isEmpty == true)
        #expect(try host.attribute("\(card)/driver_override") == nil)
        #expect(try host.folder.state().keys == start.keys)
    }

    @Test("An undo goes on where it is not known who has the card open: it was this claim that bound it")
    func unseen() throws {
        let host = try FaultedPlan.evict.machine()
        try host.hideProcesses()
        let start = try host.folder.state()
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        #expect(outcome.undo?.isComplete == true)
        #expect(try host.folder.state() == start)
        #expect(try host.recorded().isEmpty)
    }

    @Test("A release, and a recover, of a card whose users may be unseen is refused, unless that was asked for")
    func unseenRelease() throws {
        for isReleasing in [false, true] {
            let host = try FaultedPlan.evict.claimed()
            try host.hideProcesses()
            var record = try #require(try host.standing)
            if isReleasing { record.state = .releasing }
            try host.save(record)
            let writes = host.writes.count
            if isReleasing {
                let result = try #require(try Releaser(host: host).recover(record))
                #expect(result.refusals.map(\.code) == [.holdersUnknown])
            } else {
                guard case .refused(let refusals) = try host.release().result else {
                    Issue.record("not refused")
                    return
                }
                #expect(refusals.map(\.code) == [.holdersUnknown])
            }
            #expect(host.writes.count == writes)
            if isReleasing {
                #expect(try Releaser(host: host, force: true).recover(record)?.isComplete == true)
            } else {
                let outcome = try Releaser(host: host, force: true).release(record.gpu)
                #expect(outcome.restoration.isComplete)
            }
            #expect(try host.driver == nil)
        }
    }

    @Test(
        "ENODEV and EINVAL of a write are no failures where the state is right all the same",
        arguments: [Errno.noSuchDevice, .invalidArgument], [true, false])
    func tolerated(_ errno: Errno, _ isProbe: Bool) throws {
        let host = try FixtureHost {
            GPU(gpu, override: "vfio-pci")
            UdevRule(reserved: gpu)
        }
        #expect(try host.claim().isClaimed)
        let first = host.writes.count
        if !isProbe { try host.unbindByHand() }
        // Unbind, override, probe; or, of what is unbound already, override and probe.
        host.faults[isProbe ? first + 2 : host.writes.count + 1] = .fails(errno)
        let outcome = try host.release()
        guard case .released = outcome.result else {
            Issue.record("\(outcome.restoration.failures)")
            return
        }
        #expect(host.writes.last?.path == "/sys/bus/pci/drivers_probe")
        #expect(try host.driver == nil)
    }
}
