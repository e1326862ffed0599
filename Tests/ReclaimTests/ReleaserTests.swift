import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

@Suite("Releaser")
struct ReleaserTests {
    @Test("A card that does not answer is let go, and given to nobody", arguments: ["amdgpu", nil])
    func dead(_ driver: String?) throws {
        let host = try FixtureHost {
            GPU(gpu, driver: driver)
            if driver == nil { FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff) }
        }
        #expect(try host.claim().isClaimed)
        try host.folder.write([UInt8](repeating: 0xff, count: 64), to: "/sys/bus/pci/devices/\(gpu)/config")
        let outcome = try Releaser(host: host).release(try #require(PCIAddress(gpu)))
        #expect(outcome.announced.contains { $0.contains("does not answer") })
        #expect(try host.driver == nil)
        #expect(!host.exists("/sys/bus/platform/devices/efi-framebuffer.0/driver"))
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
    }

    @Test(
        "Where there is no room for its mark a release goes on, and says so; other errors end it before the first write"
    )
    func noRoom() throws {
        for (errno, isReleased) in [(Errno.noSpace, true), (.diskQuotaExceeded, true), (.readOnlyFileSystem, false)] {
            let host = try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb)
            }
            #expect(try host.claim().isClaimed)
            let writes = host.writes.count
            host.failRecords(errno)
            var told: [String] = []
            let releaser = Releaser(host: host) { event in
                if case .warning(let text) = event { told.append(text) }
            }
            let address = try #require(PCIAddress(gpu))
            if isReleased {
                let outcome = try releaser.release(address)
                #expect(outcome.restoration.isComplete)
                #expect(told.contains { $0.contains("make room") && $0.contains("apertured release \(gpu)") })
                #expect(try host.recorded().isEmpty)
            } else {
                #expect(throws: ReclaimError.self) { try releaser.release(address) }
                #expect(host.writes.count == writes)
            }
        }
    }

    @Test("A release is ended before its first write, and then by nothing")
    func interrupted() throws {
        let address = try #require(PCIAddress(gpu))
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
        }
        #expect(try host.claim().isClaimed)
        let writes = host.writes.count
        host.interruptedAfterEffects = 0
        var told = 0
        let releaser = Releaser(host: host) { event in
            if case .releasing = event { told += 1 }
        }
        #expect(throws: ReclaimError.self) { try releaser.release(address) }
        #expect(host.writes.count == writes && told == 0)
        // The mark is the first effect.
        host.interruptedAfterEffects = host.effects + 1
        #expect(try releaser.release(address).restoration.isComplete)
        #expect(try host.driver == "amdgpu" && told == 1)
    }

    @Test("Claim and release twenty times leave no trace")
    func twentyTimes() throws {
        let host = try FixtureHost {
            GPU(gpu, override: "old-driver")
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
            FirmwareFramebuffer(.efifb, fb)
        }
        let start = try host.folder.contents()
        for _ in 0..<20 {
            #expect(try host.claim().isClaimed)
            let outcome = try host.release()
            guard case .released = outcome.result else {
                Issue.record("\(outcome.result)")
                return
            }
            #expect(outcome.restoration.isComplete)
            #expect(try host.folder.contents() == start)
            #expect(try host.recorded().isEmpty)
        }
    }

    @Test("A framebuffer that cannot be read stops the release of its own card alone, before anything is written")
    func unreadableFramebuffer() throws {
        let second = "0000:02:00.0"
        let host = try FixtureHost {
            GPU(gpu)
            GPU(second, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            FirmwareFramebuffer(.efifb, fb)
        }
        #expect(try host.claim().isClaimed)
        #expect(try host.claim(second).isClaimed)
        let path = "\(KernelPath.platformDevice("efi-framebuffer.0"))/driver_override"
        try host.folder.remove(path)
        try host.folder.makeFolder(path)
        let writes = host.writes.count
        let error = #expect(throws: ReclaimError.self) { try host.release() }
        #expect(error?.description.hasPrefix("efi-framebuffer.0: ") == true)
        #expect(host.writes.count == writes)
        let address = try #require(PCIAddress(gpu))
        var record = try #require(try host.record(of: address))
        record.state = .releasing
        #expect(throws: ReclaimError.self) { try Releaser(host: host).recover(record) }
        #expect(host.writes.count == writes)
        guard case .released = try Releaser(host: host).release(try #require(PCIAddress(second))).result else {
            Issue.record("the other card was not released")
            return
        }
        try host.folder.remove(path)
        try host.folder.write("vfio-pci\n", to: path)
        guard case .released = try host.release().result else {
            Issue.record("the card was not released")
            return
        }
    }

    @Test("A console that cannot be read stops the release of the card that needs it, before anything is written")
    func unreadableConsole() throws {
        let host = try FixtureHost {
            Kernel("5.10.0-32-amd64")
            GPU(gpu, class: 0x030000, bootVGA: true)
            Console(0, "(S) VGA+", isBound: true)
            Console(1, "(M) frame buffer device", isBound: false)
        }
        #expect(try host.claim().isClaimed)
        let path = KernelPath.consoleBind(1)
        try host.folder.remove(path)
        try host.folder.makeFolder(path)
        let writes = host.writes.count
        let error = #expect(throws: ReclaimError.self) { try host.release() }
        #expect(error?.description.hasPrefix("vtcon1: ") == true)
        #expect(host.writes.count == writes)
        #expect(try host.recorded().map { try host.record(of: $0)?.state } == [.claimed])
        try host.folder.remove(path)
        try host.folder.write("1\n", to: path)
        guard case .released = try host.release().result else {
            Issue.record("the card was not released")
            return
        }
        #expect(try host.attribute(path) == "0")
    }

    @Test("A native driver gets its card back, and the framebuffer stays away from it")
    func native() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            Line(0xc000_0000...0xc0ff_ffff, "amdgpu")
        }
        let start = try host.folder.contents()
        #expect(try host.claim().isClaimed)
        _ = try host.release()
        #expect(try host.driver == "amdgpu")
        #expect(try host.folder.contents() == start)
    }

    @Test("What cannot come back is said, and everything else comes back")
    func vga() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.efifb, fb, parent: gpu)
        }
        #expect(try host.claim().isClaimed)
        let outcome = try host.release()
        #expect(outcome.announced == outcome.restoration.losses)
        #expect(outcome.announced.contains { $0.contains("efi-framebuffer.0 is gone") })
        #expect(try host.driver == nil)
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
    }

    @Test("A framebuffer is not bound to where the card no longer is")
    func moved() throws {
        let host = try FixtureHost {
            Kernel("5.10.223-simplefb")
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        host.kernel.barsAfterRescan = [BAR(0, 0x4000_0000...0x40ff_ffff)]
        var options = ClaimOptions()
        options.residue = .rescan
        #expect(try host.claim(options: options).isClaimed)
        let outcome = try host.release()
        #expect(outcome.announced.contains { $0.contains("no longer lies in the card's BARs") })
        #expect(outcome.announced.contains { $0.contains("BAR 0 of \(gpu) has moved") })
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/simple-framebuffer.0") == nil)
    }

    @Test("A guest on the card is a refusal that names it, and nothing is written")
    func inUse() throws {
        let host = try FixtureHost {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        #expect(try host.claim().isClaimed)
        let writes = host.writes.count
        var isAnnounced = false
        let releaser = Releaser(host: host) { event in
            if case .releasing = event { isAnnounced = true }
        }
        let outcome = try releaser.release(try #require(PCIAddress(gpu)))
        guard case .refused(let refusals) = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
        #expect(!isAnnounced)
        #expect(refusals.map(\.code) == [.inUse])
        #expect(refusals.first?.message.contains("qemu-system-x86 (pid 900)") == true)
        #expect(host.writes.count == writes)
    }

    @Test("A card that was never claimed is not released")
    func notClaimed() throws {
        let host = try FixtureHost { GPU(gpu, driver: "vfio-pci", override: "vfio-pci") }
        guard case .refused(let refusals) = try host.release().result else {
            Issue.record("not refused")
            return
        }
        #expect(refusals.map(\.code) == [.notClaimed])
    }

    @Test("--keep leaves the card on vfio-pci and forgets it")
    func keep() throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        let writes = host.writes.count
        guard case .kept = try host.release(keeps: true).result else {
            Issue.record("not kept")
            return
        }
        #expect(host.writes.count == writes)
        #expect(try host.recorded().isEmpty)
        #expect(try host.driver == "vfio-pci")
    }

    @Test("A card that cannot be read is not taken for one that is gone: nothing is written")
    func unreadable() throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        let writes = host.writes.count
        try host.folder.write("nonsense\n", to: "/sys/bus/pci/devices/\(gpu)/vendor")
        #expect(throws: ReclaimError.self) { try host.release() }
        let address = try #require(PCIAddress(gpu))
        let record = try #require(try host.record(of: address))
        // Nor is it said to be on its way back.
        #expect(record.state == .claimed)
        #expect(throws: ReclaimError.self) { try Releaser(host: host).undo(record) }
        #expect(host.writes.count == writes)
        #expect(try host.recorded().count == 1)
    }

    @Test("A card that someone else took is left to them")
    func takenAway() throws {
        let host = try FixtureHost { GPU(gpu) }
        #expect(try host.claim().isClaimed)
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        try host.write("\n", to: "/sys/bus/pci/devices/\(gpu)/driver_override")
        try host.load(module: "bochs")
        try host.write(gpu, to: "/sys/bus/pci/drivers/bochs-drm/bind")
        let outcome = try host.release()
        #expect(outcome.restoration.losses.contains { $0.contains("bound to bochs-drm") })
        #expect(try host.driver == "bochs-drm")
    }

    @Test("What the udev rule did before the claim is taken back with it: the host's driver gets its chance")
    func rule() throws {
        for driver in [nil, "vfio-pci"] {
            let host = try FixtureHost {
                GPU(gpu, driver: driver, override: "vfio-pci")
                UdevRule(reserved: gpu)
            }
            #expect(try host.claim().isClaimed)
            guard case .released = try host.release().result else {
                Issue.record("not released")
                return
            }
            #expect(try host.driver == nil)
            #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
            #expect(host.writes.last?.path == "/sys/bus/pci/drivers_probe")
            #expect(host.writes.last?.value == gpu)
        }
    }

    @Test("The firmware's framebuffer comes back where the probe finds no driver, and nowhere else")
    func ruleAndFramebuffer() throws {
        // Before 6.0 a native driver's probe leaves a platform device that nobody drives.
        for (kernel, driver) in [
            ("6.1.0-50-amd64", nil), ("5.10.0-32-amd64", "bochs-drm"), ("6.1.0-50-amd64", "bochs-drm"),
        ] {
            let host = try FixtureHost {
                Kernel(kernel)
                GPU(gpu, override: "vfio-pci")
                UdevRule(reserved: gpu)
                FirmwareFramebuffer(.efifb, fb)
            }
            #expect(try host.claim().isClaimed)
            try host.folder.makeFolder("/sys/bus/pci/drivers/bochs-drm")
            host.kernel.matchingDriver = driver
            let before = host.writes.count
            let outcome = try host.release()
            guard case .released = outcome.result else {
                Issue.record("not released: \(outcome)")
                return
            }
            #expect(try host.driver == driver)
            #expect(outcome.restoration.losses.isEmpty)
            let isBound = host.writes[before...].contains { $0.path.hasSuffix("efi-framebuffer/bind") }
            #expect(isBound == (driver == nil), "\(kernel), \(driver ?? "none")")
        }
    }

    @Test("A later claim of a claimed card keeps what a release goes back to")
    func lateFramebuffer() throws {
        let host = try FixtureHost { GPU(gpu, override: "old-driver") }
        #expect(try host.claim().isClaimed)
        let address = try #require(PCIAddress(gpu))
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(try host.claim().isClaimed)
        let record = try #require(try host.record(of: address))
        #expect(record.state == .claimed)
        #expect(record.prior.functions.map(\.driverOverride) == ["old-driver"])
        #expect(record.prior.framebuffers.map(\.name) == ["efi-framebuffer.0"])
        _ = try host.release()
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == "old-driver")
    }
}

@Suite("Holders")
struct HolderTests {
    @Test("A native driver is not unbound while a process has its nodes open; --force goes on, never with nvidia")
    func inUse() throws {
        for (driver, force, isRefused) in [("amdgpu", false, true), ("amdgpu", true, false), ("nvidia", true, true)] {
            let host = try FixtureHost {
                GPU(gpu, driver: driver)
                Process(700, "Xorg", holds: driver == "nvidia" ? "/dev/nvidia0" : "/dev/dri/card0")
            }
            try host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/drm/card0")
            try host.folder.write("", to: "/dev/nvidia0")
            try host.folder.write("0::/system.slice/gdm.service\n", to: "/proc/700/cgroup")
            var options = ClaimOptions()
            options.force = force
            let outcome = try host.claim(options: options)
            #expect(outcome.isClaimed == !isRefused, "\(driver), force: \(force)")
            if isRefused {
                #expect(outcome.plan.refusals.map(\.code) == [.inUse])
                #expect(outcome.plan.refusals.first?.message.contains("Xorg (pid 700, gdm.service)") == true)
            }
        }
    }

    @Test("A mapping holds a node as much as a descriptor does")
    func mapping() throws {
        let host = try FixtureHost { GPU(gpu, driver: "amdgpu") }
        try host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/drm/renderD128")
        try host.folder.write(
            "7f00-7f01 rw-s 0 00:06 4 /tmp/odd\r\n7f02-7f03 rw-s 0 00:06 5    /dev/dri/renderD128\n",
            to: "/proc/31/maps")
        try host.folder.write("odd\u{1b}[2J\n", to: "/proc/31/comm")
        let snapshot = try host.snapshot(withHolders: true)
        let function = try #require(snapshot.functions.first)
        #expect(function.nodes == ["/dev/dri/renderD128"])
        #expect(snapshot.holders(of: function).map(\.pid) == [31])
        #expect(snapshot.holders.map(\.command) == ["odd?[2J"], "no process writes to the terminal of who asks")
    }
}
