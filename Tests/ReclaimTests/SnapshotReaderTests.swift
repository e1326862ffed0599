import Aperture
import Fixtures
import Glibc
import KernelFiles
import Reclaim
import SystemPackage
import Testing

@Suite("Snapshot reader")
struct SnapshotReaderTests {
    private let gpu = "0000:01:00.0"

    @Test("A function's facts are read")
    func function() throws {
        let host = try FixtureHost {
            GPU(
                gpu, class: 0x030000,
                bars: [.wide(0, 0x20_0000_0000...0x2f_ffff_ffff), BAR(2, 0xc000_0000...0xc000_0fff)],
                driver: "amdgpu", override: "vfio-pci", bootVGA: true, group: 7)
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", group: 7)
            Function("0000:02:00.0", class: 0x020000)
        }
        let snapshot = try host.snapshot(withHolders: false)
        #expect(snapshot.functions.map(\.address.description) == [gpu, "0000:01:00.1"])
        let function = try #require(snapshot.functions.first)
        #expect(function.vendor == 0x1234 && function.device == 0x1111)
        #expect(function.pciClass.isVGA)
        #expect(function.driver == "amdgpu")
        #expect(function.driverOverride == "vfio-pci")
        #expect(function.bootVGA == true)
        #expect(function.memoryBARs.map(\.index) == [0, 2])
        #expect(function.memoryBARs.map(\.is64Bit) == [true, false])
        #expect(function.iommuGroup?.number == 7)
        #expect(
            function.iommuGroup?.members.map { "\($0.name) \($0.driver ?? "-")" } == [
                "\(gpu) amdgpu", "0000:01:00.1 snd_hda_intel",
            ])
    }

    @Test("What the configuration can say of a card is read; what cannot be read is nil")
    func cards() throws {
        let folder = try TemporaryFolder()
        let tree = FileTree(root: FilePath(folder.path))
        func device(_ address: String, at path: String, _ attributes: [String: String]) throws {
            for (name, value) in attributes {
                try folder.write("\(value)\n", to: "/sys/devices/\(path)/\(address)/\(name)")
            }
            try folder.link("/sys/bus/pci/devices/\(address)", to: "/sys/devices/\(path)/\(address)")
        }
        try device(
            "0000:00:02.0", at: "pci0000:00",
            ["class": "0x030000", "vendor": "0x8086", "device": "0x4680", "boot_vga": "1"])
        try device(
            "0000:01:00.0", at: "pci0000:00/0000:00:01.0",
            [
                "class": "0x030200", "vendor": "0x10de", "device": "0x1c82", "subsystem_vendor": "0x1043",
                "subsystem_device": "0x85d8",
            ])
        try device("0000:02:00.0", at: "pci0000:00", ["class": "0x030000", "vendor": "0x10de", "device": "nonsense"])
        try device("0000:01:00.1", at: "pci0000:00/0000:00:01.0", ["class": "0x040300", "vendor": "0x10de"])
        try device("0000:03:00.0", at: "pci0000:00", ["class": "nonsense"])
        let cards = try SnapshotReader(tree: tree).cards()
        #expect(
            cards == [
                CardFacts(
                    address: try #require(PCIAddress("0000:00:02.0")), id: PCIIdentifier("8086:4680"),
                    path: "pci0000:00/0000:00:02.0", isBootVGA: true),
                CardFacts(
                    address: try #require(PCIAddress("0000:01:00.0")), id: PCIIdentifier("10de:1c82"),
                    subsystem: PCIIdentifier("1043:85d8"), path: "pci0000:00/0000:00:01.0/0000:01:00.0"),
                CardFacts(
                    address: try #require(PCIAddress("0000:02:00.0")), id: nil, path: "pci0000:00/0000:02:00.0"),
            ])
    }

    @Test("A cleared override, and attributes that are not there, are nil")
    func absent() throws {
        let host = try FixtureHost { GPU(gpu, group: nil) }
        let function = try #require(try host.snapshot(withHolders: false).functions.first)
        #expect(function.driverOverride == nil)
        #expect(function.bootVGA == nil)
        #expect(function.driver == nil)
        #expect(function.iommuGroup == nil)
    }

    @Test("A framebuffer's parent is a PCI device only where the kernel says so", arguments: [nil, "0000:01:00.0"])
    func parent(_ parent: String?) throws {
        let host = try FixtureHost {
            GPU(gpu, below: "0000:00:01.0")
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: parent)
        }
        let framebuffer = try #require(try host.snapshot(withHolders: false).platformFramebuffers.first)
        #expect(framebuffer.name == "efi-framebuffer.0")
        #expect(framebuffer.driver == "efi-framebuffer")
        #expect(framebuffer.parent?.description == parent)
    }

    @Test("A device that makes no sense is named, and the others are read all the same")
    func malformed() throws {
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
        }
        try host.folder.write("0x0000 nonsense\n", to: "/sys/bus/pci/devices/\(gpu)/resource")
        let snapshot = try host.snapshot(withHolders: false)
        #expect(snapshot.functions.map(\.address.description) == ["0000:02:00.0"])
        #expect(snapshot.unreadable.map(\.address.description) == [gpu])
        #expect(snapshot.unreadable.first?.reason.contains("/resource") == true)
        let address = try #require(PCIAddress(gpu))
        #expect(Planner.plan(for: address, in: snapshot).refusals.map(\.code) == [.deviceUnreadable])
    }

    @Test("A device whose lock the kernel holds is named, nothing waits for it, and its slot is not claimed")
    func locked() throws {
        let sibling = "0000:01:00.1"
        let host = try FixtureHost {
            GPU(gpu)
            Function(sibling, class: 0x040300)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
        }
        // Opening a FIFO for reading waits for a writer, as reading an override waits for the device's lock.
        let path = "/sys/bus/pci/devices/\(sibling)/driver_override"
        try host.folder.remove(path)
        #expect(makeFIFO(host.folder.path + path))
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 3000)
        for _ in 0..<2 {
            let snapshot = try reader.read()
            #expect(snapshot.functions.map(\.address.description) == [gpu, "0000:02:00.0"])
            #expect(snapshot.unreadable.map(\.address.description) == [sibling])
            #expect(snapshot.unreadable.first?.reason.contains("held the device's lock") == true)
            let address = try #require(PCIAddress(gpu))
            let plan = Planner.plan(for: address, in: snapshot)
            #expect(plan.refusals.map(\.code) == [.deviceUnreadable])
            #expect(plan.refusals.first?.message.contains(sibling) == true)
            var alone = ClaimOptions()
            alone.onlyFunction = true
            #expect(
                !Planner.plan(for: address, in: snapshot, options: alone).refusals.contains {
                    $0.code == .deviceUnreadable
                })
        }
    }

    @Test("Seven cards that hang cost one deadline together, and the eighth is read")
    func sevenHang() throws {
        let hanging = (1...7).map { "0000:0\($0):00.0" }
        let cards: [any Part] = (hanging + ["0000:08:00.0"]).enumerated().map { index, address in
            let start = UInt64(0xc000_0000 + index << 24)
            return GPU(address, bars: [BAR(0, start...start + 0xff_ffff)], group: index)
        }
        let host = try FixtureHost { cards + [Console(0, "(S) dummy device", isBound: true)] }
        for address in hanging {
            try host.folder.remove("/sys/bus/pci/devices/\(address)/driver_override")
            #expect(makeFIFO(host.folder.path + "/sys/bus/pci/devices/\(address)/driver_override"))
        }
        var ticks = 0
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 2000) {
            ticks += 1
            return true
        }
        let clock = ContinuousClock()
        var snapshot = Snapshot()
        let all = try clock.measure { snapshot = try reader.read() }
        #expect(snapshot.functions.map(\.address.description) == ["0000:08:00.0"])
        #expect(snapshot.unreadable.map(\.address.description) == hanging)
        #expect(snapshot.consoles.map(\.isBound) == [true])
        #expect(all >= .milliseconds(1990))
        #expect(all < .seconds(6))
        #expect(ticks >= 4)
        // Of the healthy card alone nothing hangs.
        let healthy = try #require(PCIAddress("0000:08:00.0"))
        let fresh = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 20_000)
        let scopes: [SnapshotScope] = [.claim(healthy), .release(healthy), .watch(healthy)]
        for scope in scopes {
            let one = try clock.measure { snapshot = try fresh.read(scope) }
            #expect(one < .seconds(5))
            #expect(snapshot.unreadable.isEmpty && snapshot.functions.count == 8)
        }
        // Whoever gives up waits no longer, and knows nothing.
        let impatient = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 20_000) { false }
        try host.folder.remove("/sys/bus/pci/devices/0000:08:00.0/driver_override")
        #expect(makeFIFO(host.folder.path + "/sys/bus/pci/devices/0000:08:00.0/driver_override"))
        let cut = try clock.measure { snapshot = try impatient.read(.watch(healthy)) }
        #expect(cut < .seconds(5))
        #expect(snapshot.unreadable.first?.reason.contains("anceled") == true)
    }

    @Test("A card whose configuration does not come is unreadable, and no other card is")
    func silentConfiguration() throws {
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
        }
        let path = "/sys/bus/pci/devices/\(gpu)/config"
        if host.folder.exists(path) { try host.folder.remove(path) }
        #expect(makeFIFO(host.folder.path + path))
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 500)
        let snapshot = try reader.read()
        #expect(snapshot.functions.map(\.address.description) == ["0000:02:00.0"])
        #expect(snapshot.unreadable.map(\.address.description) == [gpu])
        #expect(snapshot.unreadable.first?.reason.contains("does not wake up") == true)
    }

    @Test("The configuration of a card is read where it is needed, and of one that sleeps only for its own sake")
    func configuration() throws {
        let other = "0000:02:00.0"
        let host = try FixtureHost {
            GPU(gpu)
            GPU(other, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
        }
        let tree = FileTree(root: FilePath(host.folder.path))
        let address = try #require(PCIAddress(gpu))
        for name in [gpu, other] {
            try host.folder.write([UInt8](repeating: 0xff, count: 4096), to: "/sys/bus/pci/devices/\(name)/config")
        }
        func read(_ scope: SnapshotScope) throws -> [Bool] {
            try SnapshotReader(tree: tree).read(scope).functions.map { $0.header != nil }
        }
        #expect(try read(.all) == [true, true])
        #expect(try read(.claim(address)) == [true, true])
        #expect(try read(.release(address)) == [true, false])
        #expect(try read(.watch(address)) == [true, false])
        for (state, status, isAwake, hasPower) in [
            ("D3cold", "suspended", false, false), ("D3hot", "suspended", false, true),
            ("D3hot", "active", false, true),
            ("D0", "suspended", false, true), ("D0", "active", true, true), ("unknown", "unsupported", true, true),
        ] {
            for name in [gpu, other] {
                try host.folder.write("\(state)\n", to: "/sys/bus/pci/devices/\(name)/power_state")
                try host.folder.write("\(status)\n", to: "/sys/bus/pci/devices/\(name)/power/runtime_status")
            }
            #expect(try read(.all) == [isAwake, isAwake])
            #expect(try read(.claim(address)) == [true, isAwake])
            #expect(try read(.release(address)) == [true, false])
            #expect(try read(.watch(address)) == [hasPower, false])
        }
    }

    @Test("A framebuffer whose lock the kernel holds is kept with the reason, and the rest is read")
    func lockedFramebuffer() throws {
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu, override: "other")
            Console(0, "(S) dummy device", isBound: true)
        }
        let path = "\(KernelPath.platformDevice("efi-framebuffer.0"))/driver_override"
        try host.folder.remove(path)
        #expect(makeFIFO(host.folder.path + path))
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 3000)
        for _ in 0..<2 {
            let snapshot = try reader.read()
            let framebuffer = try #require(snapshot.platformFramebuffers.first)
            #expect(framebuffer.unreadable?.contains("held the device's lock") == true)
            #expect(framebuffer.driver == "efi-framebuffer" && framebuffer.parent?.description == gpu)
            #expect(framebuffer.driverOverride == nil)
            #expect(snapshot.unreadable.isEmpty)
            #expect(snapshot.consoles.count == 1)
            let codes = try [gpu, "0000:02:00.0"].map { name in
                Planner.plan(for: try #require(PCIAddress(name)), in: snapshot).refusals.map(\.code)
            }
            #expect(codes == [[.deviceUnreadable], []])
        }
    }

    @Test("A framebuffer that does not answer makes its device unreadable, and the rest is read")
    func silentNode() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            FirmwareFramebuffer(.vesafb, 0xc000_0000...0xc03e_7fff, instance: 1, isListed: false)
            Console(0, "(S) dummy device", isBound: true)
        }
        #expect(makeFIFO(host.folder.path + "/dev/fb0"))
        // This one answers, though not as a framebuffer.
        try host.folder.write("", to: "/dev/fb1")
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 3000)
        for _ in 0..<2 {
            let snapshot = try reader.read()
            #expect(snapshot.framebuffers.map(\.path) == ["/dev/fb0", "/dev/fb1"])
            #expect(snapshot.framebuffers.allSatisfy { $0.memory == nil && $0.device != nil })
            let reasons = snapshot.platformFramebuffers.map { $0.unreadable ?? "-" }
            #expect(reasons.count == 2)
            #expect(reasons.first?.contains("/dev/fb0") == true)
            #expect(reasons.first?.contains("held the framebuffer's lock") == true)
            #expect(reasons.last == "-")
            #expect(snapshot.consoles.map(\.isBound) == [true])
            let plan = Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot)
            #expect(plan.refusals.contains { $0.code == .deviceUnreadable })
        }
    }

    @Test("A console that does not answer is kept with the reason, as are those behind the same lock")
    func silentConsoles() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            Console(0, "(S) VGA+", isBound: true)
            Console(1, "(M) frame buffer device", isBound: false)
            Console(2, "(M) another device", isBound: false)
        }
        // The last one would answer; it is not asked, as the kernel would not let it.
        try host.folder.remove(KernelPath.consoleBind(1))
        #expect(makeFIFO(host.folder.path + KernelPath.consoleBind(1)))
        let reader = SnapshotReader(tree: FileTree(root: FilePath(host.folder.path)), lockDeadline: 3000)
        for _ in 0..<2 {
            // The reader that was left behind ends when it is killed, as it waits for a FIFO and not for the kernel.
            defer { sleep(1) }
            let snapshot = try reader.read()
            #expect(snapshot.consoles.map(\.number) == [0, 1, 2])
            #expect(snapshot.consoles.map(\.isBound) == [true, nil, nil])
            #expect(snapshot.consoles.map { $0.unreadable?.contains("held the console's lock") } == [nil, true, true])
            let codes = try [gpu, "0000:02:00.0"].map { name in
                Planner.plan(for: try #require(PCIAddress(name)), in: snapshot).refusals.map(\.code)
            }
            #expect(codes == [[.deviceUnreadable], []])
        }
    }

    @Test("The boot parameters, the consoles and the kernel are read")
    func surroundings() throws {
        let host = try FixtureHost {
            Kernel("6.1.0-50-amd64")
            GPU(gpu)
            BootScreen(base: 0x20_c000_0000, size: 0x3e8000)
            Console(0, "(S) dummy device", isBound: false)
            Console(1, "(M) frame buffer device", isBound: true)
        }
        let snapshot = try host.snapshot(withHolders: false)
        #expect(snapshot.kernel?.isAtLeast(6, 1) == true && snapshot.kernel?.isAtLeast(6, 2) == false)
        #expect(snapshot.screenInfo?.framebuffer == AddressRange(start: 0x20_c000_0000, size: 0x3e8000))
        #expect(snapshot.consoles.map(\.isBound) == [false, true])
    }

    @Test("VESA counts in blocks of 64 KiB")
    func vesa() {
        let info = ScreenInfo(bootParameters: BootScreen(base: 0xfc00_0000, size: 0x200, mode: 0x23).bytes)
        #expect(info?.mode == .vesa)
        #expect(info?.framebuffer == AddressRange(start: 0xfc00_0000, size: 0x200_0000))
        #expect(ScreenInfo(bootParameters: [1, 2, 3]) == nil)
    }

    @Test("Who holds a framebuffer or a VFIO group is named")
    func holders() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            Process(812, "plymouthd", holds: "/dev/fb0")
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
            Process(901, "bash", holds: "/dev/tty1")
        }
        let snapshot = try host.snapshot(withHolders: true)
        #expect(snapshot.holders.map(\.pid).sorted() == [812, 900])
        #expect(snapshot.holders(ofDevice: "efi-framebuffer.0").map(\.command) == ["plymouthd"])
    }

    @Test(
        "vfio-pci is registered, loadable or missing",
        arguments: [
            Snapshot.VFIODriver.registered, .loadable, .missing,
        ])
    func vfioDriver(_ state: Snapshot.VFIODriver) throws {
        let host = try FixtureHost {
            VFIODriver(state)
            GPU(gpu)
        }
        #expect(try host.snapshot(withHolders: false).vfioDriver == state)
    }

    @Test("The file of vfio-pci's module has a hyphen or an underscore", arguments: ["vfio-pci.ko.xz", "vfio_pci.ko"])
    func moduleFile(_ name: String) throws {
        let host = try FixtureHost {
            VFIODriver(.missing)
            GPU(gpu)
        }
        let kernel = try #require(try host.snapshot(withHolders: false).kernel).text
        try host.folder.write("kernel/drivers/vfio/pci/my\(name):\n", to: "/lib/modules/\(kernel)/modules.dep")
        #expect(try host.snapshot(withHolders: false).vfioDriver == .missing)
        try host.folder.write("kernel/drivers/vfio/pci/\(name):\n", to: "/lib/modules/\(kernel)/modules.dep")
        #expect(try host.snapshot(withHolders: false).vfioDriver == .loadable)
    }

    @Test("In a container the modules are those of the host's root")
    func modulesOfHost() throws {
        let host = try FixtureHost {
            VFIODriver(.missing)
            GPU(gpu)
        }
        let tree = FileTree(root: FilePath(host.folder.path))
        let kernel = try #require(try host.snapshot(withHolders: false).kernel).text
        let root = try TemporaryFolder()
        try root.write("kernel/drivers/vfio/pci/vfio-pci.ko:\n", to: "/usr/lib/modules/\(kernel)/modules.dep")
        try root.write(
            "alias vfio_pci:v00001234d00001111sv*sd*bc*sc*i* my_vfio_pci\n",
            to: "/usr/lib/modules/\(kernel)/modules.alias")
        // As distributions have it, and some with a whole path.
        try root.symlink("/lib", destination: "/usr/lib")
        #expect(FileTree().withModules(of: root.path).root == FilePath(root.path))
        #expect(FileTree().withModules(of: nil).isMachine)
        // Another root has its own.
        #expect(tree.withModules(of: root.path).root == tree.root)
        let modules = FileTree().withModules(of: root.path)
        let snapshot = try SnapshotReader(tree: tree, lockDeadline: nil, modules: modules).read()
        #expect(snapshot.vfioDriver == .loadable)
        #expect(snapshot.vfioDrivers.aliases.map(\.module) == ["my_vfio_pci"])
    }

    @Test("Without a PCI bus there is nothing to plan from")
    func noBus() throws {
        let host = try FixtureHost { GPU(gpu) }
        try host.folder.remove("/sys/bus/pci")
        #expect(throws: SnapshotError.self) { try host.snapshot(withHolders: false) }
    }

    @Test("A snapshot for several cards gives each of them the plan that its own would give")
    func several() throws {
        let host = try FixtureHost {
            GPU("0000:01:00.0", bars: [BAR(0, 0xc000_0000...0xc0ff_ffff)], driver: "amdgpu", group: 1)
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            GPU("0000:03:00.0", bars: [BAR(0, 0xe000_0000...0xe0ff_ffff)], driver: "nouveau", group: nil)
            FirmwareFramebuffer(.efifb, 0xd000_0000...0xd03e_7fff)
            Process(812, "plymouthd", holds: "/dev/fb0")
        }
        let cards = try ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"].map { try #require(PCIAddress($0)) }
        let shared = try host.snapshot(.several(.claim, Set(cards)), withHolders: true)
        for card in cards {
            let own = try host.snapshot(.claim(card), withHolders: true)
            let plan = Planner.plan(for: card, in: shared)
            let alone = Planner.plan(for: card, in: own)
            #expect(plan.steps == alone.steps)
            #expect(plan.refusals == alone.refusals)
            #expect(plan.functions.map(\.address) == alone.functions.map(\.address))
            #expect(plan.warnings + plan.notices == alone.warnings + alone.notices)
            #expect(plan.verdict == (card == cards[2] ? .refused : .claim))
        }
    }
}
