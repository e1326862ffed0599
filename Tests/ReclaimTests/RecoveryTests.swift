import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

extension FixtureHost {
    /// The GPU's record, which must be there.
    fileprivate var standing: ClaimRecord {
        get throws {
            let address = try #require(PCIAddress(gpu))
            return try #require(try record(of: address))
        }
    }

    /// The GPU is pulled, and another put in its place.
    fileprivate func replaceCard() throws {
        try write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        try write("1", to: "/sys/bus/pci/rescan")
    }

    fileprivate func bindByHand(to driver: String) throws {
        try write(driver, to: "/sys/bus/pci/devices/\(gpu)/driver_override")
        try write(gpu, to: "/sys/bus/pci/drivers_probe")
    }
}

@Suite("Recovery")
struct RecoveryTests {
    @Test("A guest that took the card before a release was finished keeps it, and is named", arguments: [true, false])
    func inUse(_ isReleasing: Bool) throws {
        let host = try FixtureHost {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        let start = try host.folder.state().filter { !$0.key.hasPrefix("proc/900") }
        #expect(try host.claim().isClaimed)
        var record = try host.standing
        record.state = isReleasing ? .releasing : .claiming
        try host.save(record)
        let writes = host.writes.count
        let result = try #require(try Releaser(host: host).recover(record))
        #expect(result.refusals.map(\.code) == [.inUse])
        #expect(result.refusals.first?.message.contains("qemu-system-x86 (pid 900)") == true)
        #expect(!result.isFinished)
        #expect(host.writes.count == writes)
        #expect(throws: ReclaimError.self) { try host.claim() }
        try host.kernel.end(900)
        #expect(try Releaser(host: host).recover(try host.standing)?.isComplete == true)
        #expect(try host.folder.state() == start)
    }

    @Test("A card that was replaced is left alone, and the record of the other forgotten", arguments: [false, true])
    func replaced(_ isClaiming: Bool) throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        #expect(try host.claim().isClaimed)
        var record = try host.standing
        if isClaiming {
            record.state = .claiming
            try host.save(record)
        }
        try host.replaceCard()
        try host.bindByHand(to: "vfio-pci")
        let writes = host.writes.count
        if isClaiming {
            let result = try #require(try Releaser(host: host).recover(record))
            #expect(result.losses.contains { $0.contains("not the one that was claimed") })
            #expect(result.performed.isEmpty)
        } else {
            guard case .refused(let refusals) = try host.release().result else {
                Issue.record("not refused")
                return
            }
            #expect(refusals.map(\.code) == [.notClaimed])
        }
        #expect(host.writes.count == writes)
        #expect(try host.driver == "vfio-pci")
        #expect(try host.recorded().isEmpty)
    }

    @Test("A card that someone unbound from vfio-pci is claimed again, and its release still goes back to the start")
    func unboundByHand() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        let start = try host.folder.state()
        #expect(try host.claim().isClaimed)
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        #expect(try host.claim().isClaimed)
        guard case .released = try host.release().result else {
            Issue.record("not released")
            return
        }
        #expect(try host.driver == "amdgpu")
        #expect(try host.folder.state() == start)
    }

    @Test("A driver that someone binds after it served for the bounce is left to them")
    func afterBounce() throws {
        let host = try FaultedPlan.bounce.claimed()
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        try host.bindByHand(to: "bochs-drm")
        let outcome = try host.release()
        #expect(outcome.restoration.losses.contains { $0.contains("bound to bochs-drm") })
        #expect(try host.driver == "bochs-drm")
    }

    @Test("An override of the framebuffer that someone else set is left so")
    func framebufferOverride() throws {
        let host = try FaultedPlan.evict.claimed()
        let path = "/sys/bus/platform/devices/efi-framebuffer.0/driver_override"
        try host.write("none", to: path)
        let outcome = try host.release()
        #expect(outcome.announced.contains { $0.contains("set to none by someone else") })
        #expect(try host.attribute(path) == "none")
    }

    @Test("A record that names another card's framebuffer gains nothing", arguments: [nil, "0000:02:00.0"])
    func foreignFramebuffer(_ parent: String?) throws {
        let other: ClosedRange<UInt64> = 0xd000_0000...0xd03e_7fff
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            FirmwareFramebuffer(.efifb, other, isBound: false, parent: parent, override: "vfio-pci")
        }
        #expect(try host.claim().isClaimed)
        var record = try host.standing
        record.prior.framebuffers = [
            PriorState.Framebuffer(
                name: "efi-framebuffer.0", driver: "efi-framebuffer", driverOverride: nil,
                range: AddressRange(start: other.lowerBound, last: other.upperBound))
        ]
        try host.save(record)
        let writes = host.writes.count
        let outcome = try host.release()
        #expect(outcome.announced.contains { $0.contains("not a framebuffer of this card") })
        #expect(host.writes[writes...].allSatisfy { !$0.path.contains("platform") })
    }

    @Test("A framebuffer that comes while the claim goes on is evicted, and comes back with the release")
    func appearsMeanwhile() throws {
        let host = try FixtureHost { GPU(gpu) }
        var settings = Claimer<FixtureHost>.Settings()
        settings.releaseDeadline = 1000
        let claimer = Claimer(host: host, settings: settings) { event in
            guard case .stepped(let step) = event, step.action == .setDriverOverride else { return }
            #expect(throws: Never.self) { try host.kernel.appear(FirmwareFramebuffer(.efifb, fb)) }
        }
        let address = try #require(PCIAddress(gpu))
        #expect(try claimer.claim(address).isClaimed)
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0") == nil)
        guard case .released = try host.release().result else {
            Issue.record("not released")
            return
        }
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0") == "efi-framebuffer")
    }

    @Test("A framebuffer comes back over a card that was on vfio-pci, not over a guest", arguments: [false, true])
    func beforeOnVFIO(_ isInUse: Bool) throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            FirmwareFramebuffer(.efifb, fb)
        }
        #expect(try host.claim().isClaimed)
        if isInUse {
            try host.folder.write("qemu\n", to: "/proc/900/comm")
            try host.folder.makeFolder("/proc/900/fd")
            try host.folder.symlink("/proc/900/fd/7", destination: "/dev/vfio/1")
        }
        let outcome = try host.release()
        #expect(try host.driver == "vfio-pci")
        let driver = try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0")
        #expect(driver == (isInUse ? nil : "efi-framebuffer"))
        #expect(outcome.restoration.losses.contains { $0.contains("\(gpu) is in use") } == isInUse)
    }

    @Test("--keep of what was cut short is refused: nobody asked for a release")
    func keepUnfinished() throws {
        let host = try FaultedPlan.evict.claimed()
        var record = try host.standing
        record.state = .releasing
        try host.save(record)
        let writes = host.writes.count
        guard case .refused = try host.release(keeps: true).result else {
            Issue.record("not refused")
            return
        }
        #expect(host.writes.count == writes)
        #expect(try host.driver == "vfio-pci")
    }
}
