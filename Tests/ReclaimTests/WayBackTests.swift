import Aperture
import Fixtures
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing
import VFIO

private let gpu = "0000:01:00.0"
private let audio = "0000:01:00.1"
private let card = "/sys/bus/pci/devices/\(gpu)"
private let framebuffer = "/sys/bus/platform/devices/efi-framebuffer.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// What comes back, in which order, and over which card a framebuffer does not.
@Suite("The way back")
struct WayBackTests {
    /// A kernel on which a native driver's probe leaves platform devices alone.
    private func host(
        driver: String? = nil, override: String? = nil, configuration: [UInt8]? = nil,
        @MachineBuilder _ parts: () -> [any Part] = { [] }
    ) throws -> FixtureHost {
        try FixtureHost {
            Kernel("5.10.0-32-amd64")
            GPU(gpu, driver: driver, override: override, configuration: configuration)
            FirmwareFramebuffer(.efifb, fb)
            parts()
        }
    }

    private func isBound(_ host: FixtureHost) throws -> Bool { try host.driver(ofDevice: framebuffer) != nil }

    private func configuration(_ command: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes.replaceSubrange(0..<4, with: [0x34, 0x12, 0x11, 0x11])
        bytes[4] = command
        return bytes
    }

    @Test("Companions are let go before the GPU that they depend on, and bound after it")
    func order() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            Function(audio, class: 0x040300, driver: "snd_hda_intel")
        }
        #expect(try host.claim().isClaimed)
        let first = host.writes.count
        _ = try host.release()
        #expect(
            host.writes[first...].map {
                "\($0.path.split(separator: "/").suffix(2).joined(separator: "/")) \($0.value)"
            } == [
                "vfio-pci/unbind \(audio)", "vfio-pci/unbind \(gpu)", "\(gpu)/driver_override \n",
                "\(audio)/driver_override \n", "amdgpu/bind \(gpu)", "snd_hda_intel/bind \(audio)",
            ])
    }

    @Test("A framebuffer stays away from a card that its native driver has again")
    func native() throws {
        let host = try host(driver: "amdgpu")
        #expect(try host.claim().isClaimed)
        let outcome = try host.release()
        #expect(try host.driver == "amdgpu")
        #expect(try !isBound(host))
        #expect(outcome.announced == ["efi-framebuffer.0 is not bound again: \(gpu) belongs to amdgpu."])
        #expect(try host.attribute("\(framebuffer)/driver_override") == nil)
    }

    @Test("A framebuffer stays away from a card that somebody bound by hand")
    func stranger() throws {
        let host = try host()
        #expect(try host.claim().isClaimed)
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        try host.write("\n", to: "\(card)/driver_override")
        try host.load(module: "bochs")
        try host.write(gpu, to: "/sys/bus/pci/drivers/bochs-drm/bind")
        let outcome = try host.release()
        #expect(try host.driver == "bochs-drm")
        #expect(try !isBound(host))
        #expect(outcome.announced.contains("efi-framebuffer.0 is not bound again: \(gpu) is bound to bochs-drm."))
    }

    @Test(
        "A framebuffer stays away from a free card that does not answer to its memory",
        arguments: [0x00, 0x05, 0x02, 0x07])
    func decoding(_ command: UInt8) throws {
        let host = try host(configuration: configuration(command))
        #expect(try host.claim().isClaimed)
        let outcome = try host.release()
        let decodes = command & 2 != 0
        #expect(try isBound(host) == decodes)
        let isSaid = outcome.restoration.losses.contains { $0.contains("memory decoding of \(gpu) is off") }
        #expect(isSaid == !decodes)
    }

    @Test("For a card that does not answer no driver is looked for")
    func deadProbe() throws {
        let host = try FixtureHost {
            GPU(gpu, override: "vfio-pci")
            UdevRule(reserved: gpu)
        }
        #expect(try host.claim().isClaimed)
        try host.folder.write([UInt8](repeating: 0xff, count: 64), to: "\(card)/config")
        let first = host.writes.count
        let outcome = try host.release()
        #expect(outcome.announced == ["\(gpu) does not answer: no driver is looked for."])
        #expect(!host.writes[first...].contains { $0.path == "/sys/bus/pci/drivers_probe" })
    }

    @Test("A driver that the probe finds is looked for once")
    func foundByProbe() throws {
        let host = try FixtureHost {
            GPU(gpu, override: "vfio-pci")
            UdevRule(reserved: gpu)
        }
        #expect(try host.claim().isClaimed)
        try host.folder.makeFolder("/sys/bus/pci/drivers/bochs-drm")
        host.kernel.matchingDriver = "bochs-drm"
        // Somebody was faster.
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        try host.write("\n", to: "\(card)/driver_override")
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        let first = host.writes.count
        let outcome = try host.release()
        #expect(outcome.restoration.isComplete)
        #expect(host.writes.count == first)
        #expect(try host.driver == "bochs-drm")
    }

    @Test("A driver that is no longer loaded is said, and everything else comes back")
    func missing() throws {
        let host = try host(driver: "amdgpu")
        #expect(try host.claim().isClaimed)
        try host.folder.remove("/sys/bus/pci/drivers/amdgpu")
        let outcome = try host.release()
        #expect(outcome.announced.contains("amdgpu is no longer loaded: \(gpu) stays without a driver."))
        #expect(outcome.restoration.isFinished)
        #expect(try host.driver == nil)
        #expect(try host.attribute("\(card)/driver_override") == nil)
    }

    @Test(
        "An undo leaves a late framebuffer off a card that stays claimed, which is said, and its release gives it back")
    func lateFramebuffer() throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        #expect(
            outcome.undo?.losses == [
                "efi-framebuffer.0 is not bound again: the card stays claimed, and its release binds the device."
            ])
        #expect(outcome.undo?.performed.isEmpty == true)
        #expect(try host.driver == "vfio-pci")
        #expect(try host.attribute("\(framebuffer)/driver_override") == "vfio-pci")
        // What the release goes back to was recorded with the standing claim.
        #expect(try host.release().restoration.isFinished)
        #expect(try isBound(host))
        #expect(try host.attribute("\(framebuffer)/driver_override") == nil)
    }

    @Test("A range that a rescan ended is said not to be reserved again, though its driver is bound")
    func reservation() throws {
        let host = try FixtureHost {
            Kernel("5.10.223-simplefb")
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        var options = ClaimOptions()
        options.residue = .rescan
        #expect(try host.claim(options: options).isClaimed)
        let outcome = try host.release()
        #expect(
            outcome.announced == [
                "simple-framebuffer.0 no longer reserves 0xc0000000-0xc03e7fff: the rescan ended that until a reboot."
            ])
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/simple-framebuffer.0") == "simple-framebuffer")
    }

    @Test("What cannot come back is told before the first write, and again at the end")
    func told() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.efifb, fb, parent: gpu)
        }
        #expect(try host.claim().isClaimed)
        var story: [String] = []
        let releaser = Releaser(host: host) { event in
            switch event {
            case .warning(let text): story.append("warning \(text)")
            case .undoing(let step): story.append(step.action.rawValue)
            case .lost(let text): story.append("lost \(text)")
            default: break
            }
        }
        _ = try releaser.release(try #require(PCIAddress(gpu)))
        let loss = "efi-framebuffer.0 is gone: the firmware's framebuffer cannot come back before a reboot."
        #expect(story == ["warning \(loss)", "unbind-driver", "clear-driver-override", "lost \(loss)"])
    }

    @Test("A card that can no longer be read midway is named, and its record stays for recover")
    func unreadableMidway() throws {
        let host = try FaultedPlan.evict.claimed()
        let address = try #require(PCIAddress(gpu))
        let text = try host.folder.text("\(card)/vendor")
        let releaser = Releaser(host: host) { event in
            guard case .undoing = event else { return }
            #expect(throws: Never.self) { try host.folder.write("nonsense\n", to: "\(card)/vendor") }
        }
        let outcome = try releaser.release(address)
        guard case .failed = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(outcome.restoration.performed.map(\.action) == [.unbindDriver])
        #expect(outcome.restoration.interruption?.description.contains("vendor") == true)
        #expect(!outcome.restoration.isFinished && !outcome.restoration.isComplete)
        try host.folder.write(text, to: "\(card)/vendor")
        let record = try #require(try host.record(of: address))
        #expect(record.state == .releasing)
        #expect(try Releaser(host: host).recover(record)?.isComplete == true)
        #expect(try isBound(host))
    }

    @Test("A console that somebody took from the VGA text console's successor is left so")
    func console() throws {
        let host = try FixtureHost {
            Kernel("5.10.0-32-amd64")
            GPU(gpu, class: 0x030000, bootVGA: true)
            Console(0, "(S) VGA+", isBound: true)
            Console(1, "(M) frame buffer device", isBound: false)
        }
        #expect(try host.claim().isClaimed)
        try host.write("0", to: KernelPath.consoleBind(1))
        let first = host.writes.count
        #expect(try host.release().restoration.isComplete)
        #expect(!host.writes[first...].contains { $0.path.contains("vtcon") })
    }

    @Test(
        "A card that somebody removed is not looked for, and one that the claim removed is", arguments: [true, false])
    func removed(_ isOurs: Bool) throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        let address = try #require(PCIAddress(gpu))
        var record = try #require(try host.record(of: address))
        record.state = .claiming
        if isOurs {
            record.marks = [.init(action: "remove-device", target: gpu, path: "\(card)/remove", value: "1")]
        }
        try host.save(record)
        try host.write("1", to: "\(card)/remove")
        let first = host.writes.count
        let result = try #require(try Releaser(host: host).recover(record))
        #expect(host.exists(card) == isOurs)
        #expect(host.writes[first...].map(\.path).contains { $0.hasSuffix("/rescan") } == isOurs)
        #expect(result.losses == (isOurs ? [] : ["\(gpu) is gone from the machine."]))
        #expect(try host.recorded().isEmpty)
    }
}
