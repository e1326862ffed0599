import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing
import VFIO

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

extension ClaimOutcome {
    var failure: ReclaimError? { if case .failed(let failure) = result { failure } else { nil } }

    var stepFailure: StepFailure? {
        if case .step(let failure) = failure { failure } else { nil }
    }
}

@Suite("Claimer")
struct ClaimerTests {
    @Test(
        "A claim that is told to stop takes everything back and says so, whenever the signal comes",
        arguments: FaultedPlan.all)
    func interrupted(_ plan: FaultedPlan) throws {
        var effects = 0
        var ends = 0
        while ends == 0 {
            let host = try plan.machine()
            let start = try host.folder.state()
            let recorded = try host.recorded()
            host.interruptedAfterEffects = host.effects + effects
            let outcome = try host.claim(options: plan.options)
            if let failure = outcome.failure {
                #expect("\(failure)".contains("interrupted by SIGTERM"))
                #expect(outcome.undo?.isFinished ?? true)
                // What a rung cannot give back is lost as by any other failure, and was said.
                if outcome.undo?.losses.isEmpty ?? true { #expect(try host.folder.state() == start) }
                #expect(try host.recorded() == recorded)
            } else {
                // It came after the last moment.
                #expect(outcome.isClaimed)
                ends += 1
            }
            effects += 1
        }
        #expect(effects > 3)
    }

    @Test("A framebuffer that is held is waited for no longer when a signal comes")
    func interruptedWait() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
        }
        host.kernel.heldForPauses = 1000
        let start = try host.folder.state()
        // The override and the unbind are written, each with its mark before.
        host.interruptedAfterEffects = 5
        let outcome = try host.claim()
        #expect(outcome.failure?.description.contains("interrupted by SIGTERM") == true)
        #expect(host.pauses < 5)
        #expect(outcome.undo?.isComplete == true)
        #expect(try host.folder.state() == start)
    }

    @Test("efifb is evicted, the card bound and proven")
    func efifb() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
        }
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .evict, .bind])
        #expect(outcome.proofs.map(\.outcome) == [.mapped])
        #expect(try host.driver == "vfio-pci")
        #expect(
            host.writes.map(\.path) == [
                "/sys/bus/pci/devices/\(gpu)/driver_override",
                "/sys/bus/platform/devices/efi-framebuffer.0/driver_override",
                "/sys/bus/platform/drivers/efi-framebuffer/unbind",
                "/sys/bus/pci/drivers_probe",
            ])
    }

    @Test("A second claim writes nothing, and proves again")
    func twice() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
        }
        _ = try host.claim()
        let writes = host.writes.count
        let outcome = try host.claim()
        guard case .nothingToDo = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(host.writes.count == writes)
        #expect(outcome.proofs.count == 1)
    }

    @Test("A claimed card that a guest has is not proven anew, and stays claimed")
    func inUse() throws {
        let host = try FixtureHost {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        #expect(try host.claim().isClaimed)
        host.vfioError = VFIOError(call: "open", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        guard case .nothingToDo = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(outcome.proofs.isEmpty)
        #expect(outcome.users.map(\.command) == ["qemu-system-x86"])
    }

    @Test("What there is to do under a guest is refused, and nothing is written")
    func framebufferInUse() throws {
        let host = try FixtureHost {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        #expect(try host.claim().isClaimed)
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        let writes = host.writes.count
        let outcome = try host.claim()
        guard case .refused = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(outcome.plan.refusals.map(\.code) == [.inUse])
        #expect(host.writes.count == writes)
    }

    @Test("A refusal writes nothing")
    func refusal() throws {
        let host = try FixtureHost {
            GPU(gpu, group: nil)
            FirmwareFramebuffer(.efifb, fb)
        }
        let outcome = try host.claim()
        guard case .refused = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(host.writes.isEmpty)
        #expect(outcome.proofs.isEmpty)
    }

    @Test("BOOTFB goes with a rescan, and the new BARs are used")
    func rescan() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        host.kernel.barsAfterRescan = [BAR(0, 0x4000_0000...0x40ff_ffff)]
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .evict, .rescan, .bind])
        #expect(outcome.proofs.map(\.outcome) == [.mapped])
        let snapshot = try host.snapshot(withHolders: false)
        #expect(snapshot.functions.first?.memoryBARs.first?.range.start == 0x4000_0000)
    }

    @Test("A native driver that wins the rescan is unbound again")
    func nativeWins() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        host.kernel.nativeWinsRescan = "bochs-drm"
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .evict, .rescan, .unbind, .bind])
        #expect(try host.driver == "vfio-pci")
    }

    @Test("BOOTFB goes with an allowed bounce, and the BARs stay")
    func bounce() throws {
        let host = try FixtureHost {
            Kernel("6.1.0-50-amd64")
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        var options = ClaimOptions()
        options.allowedNativeDrivers = ["bochs"]
        let outcome = try host.claim(options: options)
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .bounce, .bind])
        #expect(host.loadedModules == ["bochs"])
        #expect(!host.exists("/sys/bus/platform/devices/simple-framebuffer.0"))
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == "vfio-pci")
    }

    @Test("A bounce through a driver that is loaded runs no modprobe")
    func bounceLoaded() throws {
        let host = try FaultedPlan.bounce.machine()
        try host.folder.makeFolder("/sys/bus/pci/drivers/bochs-drm")
        let outcome = try host.claim(options: FaultedPlan.bounce.options)
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .bounce, .bind])
        #expect(host.loadedModules.isEmpty)
    }

    @Test("A BAR that the claim's own rescan lost is found, named, and the claim undone")
    func lostBAR() throws {
        let host = try FixtureHost {
            GPU(gpu, bars: [BAR(0, 0xc000_0000...0xc0ff_ffff), BAR(2, 0xc100_0000...0xc100_0fff)])
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        host.kernel.barsAfterRescan = [BAR(2, 0xc100_0000...0xc100_0fff)]
        let outcome = try host.claim()
        guard case .failed(.lostBARs(let lost)) = outcome.result else {
            Issue.record("the claim ended with \(outcome.result)")
            return
        }
        #expect(lost == ["BAR 0 of \(gpu), which was at 0xc0000000-0xc0ffffff, has no address any more"])
        #expect(outcome.undo?.losses.contains { $0.hasPrefix("BAR 0 of \(gpu)") } == true)
        #expect(try host.driver == nil)
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
        #expect(try host.recorded().isEmpty)
    }

    @Test(
        "A card that comes back from the rescan with another override ends the claim, and that is left to who gave it")
    func otherOverride() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        host.overrideAfterRescan = "pci-stub"
        let outcome = try host.claim()
        let failure = try #require(outcome.stepFailure)
        #expect(failure.step.action == .rescanBus)
        #expect(failure.description.hasSuffix("its driver_override is 'pci-stub'"))
        #expect(outcome.undo?.losses.contains { $0.contains("was set to pci-stub by someone else") } == true)
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == "pci-stub")
        #expect(try host.driver == nil)
    }

    @Test("A variant is loaded, bound by the name that its module registers, and given back")
    func variant() throws {
        let host = try FixtureHost {
            Kernel("6.17.0-fixture")
            GPU(gpu, driver: "xe", vendor: 0x8086)
        }
        try host.folder.write(
            "alias vfio_pci:v00008086d*sv*sd*bc03sc*i* strange_vfio_pci\n",
            to: "/lib/modules/6.17.0-fixture/modules.alias")
        host.kernel.driversOfModules["strange_vfio_pci"] = "strange-vfio-pci"
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(host.loadedModules == ["strange_vfio_pci"])
        #expect(try host.driver == "strange-vfio-pci")
        let record = try host.record(of: try #require(PCIAddress(gpu)))
        #expect(record?.prior.functions.map(\.vfioDriver) == ["strange-vfio-pci"])
        // Again: it is on VFIO, and stays.
        #expect(try host.claim().plan.verdict == .nothingToDo)
        _ = try Releaser(host: host).release(try #require(PCIAddress(gpu)))
        #expect(try host.driver == "xe")
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
    }

    @Test("What a rescan, a bounce or vfio-pci itself ends for good is said", arguments: ["rescan", "bounce", "vga"])
    func said(_ what: String) throws {
        let host = try FixtureHost {
            Kernel(what == "bounce" ? "6.1.0-50-amd64" : "6.12.0")
            GPU(gpu, class: what == "vga" ? 0x030000 : 0x038000, bootVGA: what == "vga" ? true : nil)
            FirmwareFramebuffer(.bootSimpledrm, fb, isBound: what != "vga", parent: gpu)
        }
        var options = ClaimOptions()
        options.allowedNativeDrivers = ["bochs"]
        let outcome = try host.claim(options: options)
        #expect(outcome.isClaimed)
        let isSaid = outcome.plan.warnings.contains { $0.contains("simple-framebuffer.0") && $0.contains("a reboot.") }
        #expect(isSaid, "\(outcome.plan.warnings)")
        #expect(try host.release().announced.contains { $0.contains("simple-framebuffer.0 is gone") })
    }

    @Test("On a VGA card vfio-pci's own eviction ends BOOTFB: no other rung is taken")
    func vga() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        }
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .evict, .bind])
    }

    @Test("A held framebuffer is waited for until its last close")
    func held() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
            Process(812, "plymouthd", holds: "/dev/fb0")
        }
        host.kernel.heldForPauses = 3
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(outcome.rungs == [.override, .evict, .wait, .bind])
        #expect(host.pauses == 3)
    }

    @Test("A framebuffer that stays held names the process")
    func heldForever() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
            Process(812, "plymouthd", holds: "/dev/fb0")
        }
        host.kernel.heldForPauses = .max
        let failure = try #require(try host.claim().stepFailure)
        #expect(failure.code == .framebufferHeld)
        #expect(failure.description.contains("plymouthd (pid 812)"))
        #expect(try host.driver == nil)
        // Bound again while it is held, efifb would go on without its claim: it is left for recover.
        let record = try #require(try host.recorded().first.flatMap(host.record))
        #expect(record.state == .claiming)
        #expect(host.writes.allSatisfy { !$0.path.hasSuffix("efi-framebuffer/bind") })
        #expect(throws: ReclaimError.self) { try host.claim() }
        host.kernel.heldForPauses = host.pauses + 1
        #expect(try Releaser(host: host).recover(record)?.isComplete == true)
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0") == "efi-framebuffer")
        #expect(try host.recorded().isEmpty)
    }

    @Test("The other card's framebuffer is never touched")
    func twoCards() throws {
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            FirmwareFramebuffer(.efifb, fb)
        }
        let outcome = try host.claim("0000:02:00.0")
        #expect(outcome.isClaimed)
        #expect(host.writes.allSatisfy { !$0.path.contains("platform") && !$0.path.contains(gpu) })
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0") == "efi-framebuffer")
        #expect(try host.folder.text("/proc/iomem").contains("efifb"))
    }

    @Test("A whole card goes: audio with the GPU")
    func multiFunction() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            Function(
                "0000:01:00.1", class: 0x040300, bars: [BAR(0, 0xc200_0000...0xc200_3fff)], driver: "snd_hda_intel")
        }
        let outcome = try host.claim()
        #expect(outcome.isClaimed)
        #expect(Set(outcome.proofs.map(\.address.description)) == [gpu, "0000:01:00.1"])
        #expect(try host.driver(ofDevice: "/sys/bus/pci/devices/0000:01:00.1") == "vfio-pci")
    }

    @Test("A proof that fails fails the claim, with the call and what is known of it")
    func unproven() throws {
        let host = try FixtureHost { GPU(gpu) }
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let failure = try #require(try host.claim().failure)
        #expect(failure.description.contains("VFIO_SET_IOMMU on /dev/vfio/1"))
        #expect(failure.description.contains("iommu=nopt"))
    }

    @Test("A BAR that the card has and VFIO does not give fails the claim")
    func missingBAR() throws {
        let host = try FixtureHost { GPU(gpu) }
        host.barsThatVFIOLacks = [0]
        let outcome = try host.claim()
        let failure = try #require(outcome.failure)
        #expect(failure.description.contains("not proven: \(gpu) BAR 0: missing"))
        #expect(failure.description.hasSuffix("VFIO mapped no BAR"))
        #expect(outcome.bars.description == "0 of 1 BAR mapped")
        #expect(outcome.undo?.isComplete == true)
    }

    @Test("Without the proof a claim stands unproven")
    func noVerify() throws {
        let host = try FixtureHost { GPU(gpu) }
        host.vfioError = VFIOError(call: "open", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim(proves: false)
        #expect(outcome.isClaimed)
        #expect(outcome.proofs.isEmpty)
    }
}
