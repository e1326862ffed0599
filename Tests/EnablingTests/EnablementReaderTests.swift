import Aperture
import Configuration
import Enabling
import Fixtures
import KernelFiles
import SystemPackage
import Testing

struct EnablementReaderTests {
    private let folder: TemporaryFolder
    private let tree: FileTree
    private let gpu: PCIAddress
    private var enablement: Enablement { EnablementReader(tree: tree).read(gpu) }

    private static let unit = "apertured@0000:01:00.0.service"
    private static let template = "/usr/lib/systemd/system/apertured@.service"
    private static let wants = "systemd/system/sys-subsystem-pci-devices-0000:01:00.0.device.wants"

    init() throws {
        folder = try TemporaryFolder()
        tree = FileTree(root: FilePath(folder.path))
        gpu = try #require(PCIAddress("0000:01:00.0"))
    }

    @Test func `on a machine without any of it, all is known, and nothing is there`() {
        #expect(
            enablement
                == Enablement(address: gpu, links: .known([]), mask: .known(nil), pins: .known([]), image: .noTool))
        #expect(enablement.isEnabled == false)
        #expect(enablement.isPinned == false)
    }

    @Test(arguments: ["etc", "run"])
    func `a link below a device or below a target enables the unit`(place: String) throws {
        for wants in [Self.wants, "systemd/system/multi-user.target.wants"] {
            let path = "/\(place)/\(wants)/\(Self.unit)"
            try folder.makeFolder("/\(place)/\(wants)")
            try folder.symlink(path, destination: Self.template)
            #expect(enablement.links.value?.contains(path) == true)
            #expect(enablement.isEnabled == true)
        }
        #expect(enablement.links.value?.count == 2)
        #expect(EnablementReader(tree: tree).read(try #require(PCIAddress("0000:02:00.0"))).isEnabled == false)
    }

    @Test(arguments: ["apertured@0000:01:00.0.service", "apertured@.service"])
    func `a masked unit is not enabled, whatever links there are`(name: String) throws {
        try folder.makeFolder("/etc/\(Self.wants)")
        try folder.symlink("/etc/\(Self.wants)/\(Self.unit)", destination: Self.template)
        try folder.makeFolder("/run/systemd/system")
        try folder.symlink("/run/systemd/system/\(name)", destination: "/dev/null")
        #expect(enablement.mask == .known("/run/systemd/system/\(name)"))
        #expect(enablement.isEnabled == false)
    }

    @Test func `a unit that an administrator wrote is no mask`() throws {
        try folder.write("[Service]\n", to: "/etc/systemd/system/\(Self.unit)")
        #expect(enablement.mask == .known(nil))
    }

    @Test(arguments: [
        ("[GPU]\nAddress=0000:01:00.0\nId=10de:1c82\n", true),
        ("[GPU]\nAddress=0000:01:00.0\nSubsystem=10de:1c82\n", true),
        ("[GPU]\nAddress=0000:01:00.0\nPath=pci0000:00/*\n", true),
        ("[GPU]\nId=10de:1c82\n", true),
        ("[GPU]\nAddress=0000:02:00.0\nId=10de:1c82\n", false),
        ("[GPU]\nAddress=0000:01:00.0\nResidue=rescan\n", false),
        ("[GPU]\nBootVGA=no\n", false),
        ("[GPU]\nAddress=0000:01:00.0\nId=10de\n", false),
    ])
    func `a section that says which card it is pins it`(text: String, isPinned: Bool) throws {
        try folder.write(text, to: "/etc/apertured.conf.d/50-guest.conf")
        #expect(enablement.isPinned == isPinned)
        let place = ConfigurationPlace(file: "/etc/apertured.conf.d/50-guest.conf", line: 1)
        #expect(enablement.pins == .known(isPinned ? [place] : []))
    }

    @Test func `a configuration that cannot be read leaves it unknown whether the card is pinned`() throws {
        try folder.makeFolder("/etc/apertured.conf")
        #expect(enablement.isPinned == nil)
        guard case .unknown(let reason) = enablement.pins else {
            Issue.record("it is known")
            return
        }
        #expect(reason.contains("/etc/apertured.conf"))
    }

    @Test(arguments: ImageTool.allCases)
    func `a tool counts when it is installed together with the hook`(tool: ImageTool) throws {
        try folder.write("", to: tool.hook)
        #expect(enablement.image == .noTool)
        for witness in [
            "/usr/share/initramfs-tools/hook-functions", "/usr/lib/dracut/dracut-functions.sh",
            "/usr/lib/initcpio/functions",
        ] {
            try folder.write("", to: witness)
        }
        if tool == .mkinitcpio {
            #expect(enablement.image == .noTool)
            #expect(ImageTool.hint(in: tree)?.contains("HOOKS+=(apertured)") == true)
            try folder.write("# HOOKS+=(apertured)\nHOOKS=(base udev)\n", to: "/etc/mkinitcpio.conf")
            #expect(enablement.image == .noTool)
            try folder.write("HOOKS+=(apertured)\n", to: "/etc/mkinitcpio.conf.d/apertured.conf")
        }
        #expect(ImageTool.hint(in: tree) == nil)
        #expect(enablement.image == .absent)
        #expect(ImageTool.installed(in: tree) == nil)
        let words = try #require(tool.commands.last)
        try folder.write("", to: "/usr/bin/\(words[0])")
        #expect(ImageTool.installed(in: tree) == tool)
        #expect(tool.command(in: tree) == ["/usr/bin/\(words[0])"] + words.dropFirst())
    }

    @Test func `what the initramfs did is read from what its script left`() throws {
        try folder.write("vfio-pci\n", to: "/run/apertured-initramfs/0000:02:00.0")
        try folder.write("it is 1234:1111\n", to: "/run/apertured-initramfs/0000:01:00.0.passed-over")
        #expect(enablement.image == .passedOver("it is 1234:1111"))
        try folder.write("vfio-pci\n", to: "/run/apertured-initramfs/0000:01:00.0")
        #expect(enablement.image == .reserved)
    }

    @Test func `what cannot be read is unknown, and not absent`() throws {
        try folder.makeFolder("/run/apertured-initramfs/0000:01:00.0")
        guard case .unknown(let reason) = enablement.image else {
            Issue.record("it is \(enablement.image)")
            return
        }
        #expect(reason.contains("/run/apertured-initramfs/0000:01:00.0"))
    }

    @Test func `the enabled units are found by their links, also those that name no GPU`() throws {
        let reader = EnablementReader(tree: tree)
        #expect(try reader.enabledInstances().isEmpty)
        for (wants, instance) in [
            ("etc/systemd/system/multi-user.target.wants", "02:00.0"),
            ("etc/\(Self.wants)", "0000:01:00.0"), ("run/\(Self.wants)", "0000:01:00.0"),
        ] {
            try folder.makeFolder("/\(wants)")
            try folder.symlink("/\(wants)/apertured@\(instance).service", destination: Self.template)
        }
        try folder.symlink("/run/\(Self.wants)/other@1.service", destination: Self.template)
        #expect(try reader.enabledInstances() == ["0000:01:00.0", "02:00.0"])
    }

    @Test(arguments: [
        ("0000:01:00.0", true), ("10000:e1:00.0", true), ("0000:0a:1f.7", true), ("02:00.0", false),
        ("0000:0A:00.0", false), ("0000:01:00", false), ("0000:01:00.8", false), ("", false), ("0000:01:00.0 ", false),
    ])
    func `a unit's name has the address in full, in the kernel's spelling`(name: String, isInstance: Bool) {
        #expect(EnablementReader.isInstance(name) == isInstance)
    }
}
