import Aperture
import Configuration
import Enabling
import Fixtures
import KernelFiles
import SystemPackage
import Testing

/// systemctl as far as its links go, and no other program.
private final class FakePrograms: ProgramRunner {
    private(set) var calls: [[String]] = []
    private let folder: TemporaryFolder
    /// The word of a command that is to fail.
    var failing: String?
    /// The file that update-initramfs makes.
    var image: String?

    init(_ folder: TemporaryFolder) {
        self.folder = folder
    }

    func run(_ words: [String]) -> String? {
        let words = words.filter { !$0.hasPrefix("--root=") && $0 != "--quiet" }
        calls.append(Array(words.dropFirst()))
        let place = words.contains("--runtime") ? "/run" : "/etc"
        let unit = words.last ?? ""
        let wants = "\(place)/systemd/system/sys-subsystem-pci-devices-0000:01:00.0.device.wants"
        if let failing, words.contains(failing) { return "\(failing) failed" }
        do {
            if words.contains("enable") {
                try folder.makeFolder(wants)
                if try folder.contents()["\(wants)/\(unit)".dropFirst().description] != nil { return nil }
                try folder.symlink("\(wants)/\(unit)", destination: "/usr/lib/systemd/system/apertured@.service")
            } else if let image, words[0] == "/usr/sbin/update-initramfs" {
                try folder.write("another, and longer", to: image)
            } else if words.contains("disable") {
                try folder.remove("\(wants)/\(unit)")
            }
            return nil
        } catch {
            return "\(error)"
        }
    }
}

struct EnablerTests {
    private let folder: TemporaryFolder
    private let tree: FileTree
    private let card: CardFacts
    private let programs: FakePrograms

    private static let pin = "/etc/apertured.conf.d/pin-0000:01:00.0.conf"
    private static let link =
        "/etc/systemd/system/sys-subsystem-pci-devices-0000:01:00.0.device.wants/apertured@0000:01:00.0.service"

    init() throws {
        folder = try TemporaryFolder()
        tree = FileTree(root: FilePath(folder.path))
        card = CardFacts(
            address: try #require(PCIAddress("0000:01:00.0")), id: PCIIdentifier("10de:1c82"),
            subsystem: PCIIdentifier("1043:85d8"), path: "pci0000:00/0000:00:01.0/0000:01:00.0")
        programs = FakePrograms(folder)
        try folder.makeFolder("/etc")
    }

    /// What was told, and how it failed.
    @discardableResult
    private func run(
        interruption: @escaping () -> String? = { nil }, _ work: (Enabler<FakePrograms>) throws -> Void
    ) -> (told: [String], failure: Enabler<FakePrograms>.Failure?) {
        var told: [String] = []
        let enabler = Enabler(card.address, tree: tree, programs: programs, interruption: interruption) {
            told.append($0)
        }
        do {
            try work(enabler)
            return (told, nil)
        } catch {
            return (told, error as? Enabler<FakePrograms>.Failure)
        }
    }

    /// Every file by its path, without the folders.
    private func files() throws -> [String: String] {
        let contents = try folder.contents().filter { $0.value != "folder" }
        return Dictionary(uniqueKeysWithValues: contents.map { ("/\($0.key)", $0.value) })
    }

    private func enable(_ enabler: Enabler<FakePrograms>) throws {
        try enabler.enable(card, startsNow: false, makesImages: true)
    }

    private func disable(_ enabler: Enabler<FakePrograms>) throws {
        try enabler.disable(stopsNow: false, makesImages: true)
    }

    @Test func `enable pins the card and enables its unit; disable takes both back, and leaves no file`() throws {
        let before = try files()
        #expect(run(enable).failure == nil)
        let enablement = EnablementReader(tree: tree).read(card.address)
        #expect(enablement.isEnabled == true)
        #expect(enablement.isPinned == true)
        #expect(enablement.pins.value?.map(\.description) == ["\(Self.pin):3"])
        #expect(programs.calls == [["enable", "apertured@0000:01:00.0.service"]])
        #expect(run(disable).failure == nil)
        #expect(try files() == before)
    }

    @Test func `the pin has the card's address, ids and path`() throws {
        run(enable)
        #expect(
            try files()[Self.pin]?.split(separator: "\n").dropFirst(2) == [
                "[GPU]", "Address=0000:01:00.0", "Id=10de:1c82", "Subsystem=1043:85d8",
                "Path=pci0000:00/0000:00:01.0/0000:01:00.0",
            ])
    }

    @Test func `a second enable changes nothing`() throws {
        run(enable)
        let before = try files()
        let (told, failure) = run { try $0.enable(card, startsNow: false, makesImages: false) }
        #expect(failure == nil)
        #expect(
            told == [
                "pinned already, and left as it is: \(Self.pin):3", "enabled already: apertured@0000:01:00.0.service",
            ])
        #expect(try files() == before)
    }

    @Test func `the administrator's own section is left, and none is added`() throws {
        try folder.write("[GPU]\nAddress=0000:01:00.0\nId=10de:1c82\n", to: "/etc/apertured.conf.d/50-guest.conf")
        #expect(run(enable).told.first == "pinned already, and left as it is: /etc/apertured.conf.d/50-guest.conf:1")
        #expect(!folder.exists(Self.pin))
    }

    @Test func `a section that only has options is no pin`() throws {
        try folder.write("[GPU]\nAddress=0000:01:00.0\nResidue=rescan\n", to: "/etc/apertured.conf.d/50-guest.conf")
        run(enable)
        #expect(folder.exists(Self.pin))
    }

    @Test func `a pin that was changed by hand stays`() throws {
        run(enable)
        let text = try #require(try files()[Self.pin])
        try folder.write(text + "Residue=rescan\n", to: Self.pin)
        let (told, failure) = run(disable)
        #expect(failure == nil)
        #expect(told.contains { $0.hasPrefix("the pin stays: \(Self.pin)") })
        #expect(folder.exists(Self.pin))
    }

    @Test func `when systemctl fails, the pin goes again`() throws {
        let before = try files()
        programs.failing = "enable"
        let (told, failure) = run(enable)
        #expect(failure?.reason == "enable failed")
        #expect(failure?.left == [])
        #expect(told.last == "undone: pinned in \(Self.pin)")
        #expect(try files() == before)
        #expect(!folder.exists("/etc/apertured.conf.d"))
    }

    @Test func `a signal between two steps undoes those before it`() throws {
        var calls = 0
        let (_, failure) = run(
            interruption: {
                calls += 1
                return calls > 1 ? "SIGINT" : nil
            }, enable)
        #expect(failure?.reason == "interrupted by SIGINT")
        #expect(failure?.left == [])
        #expect(!folder.exists(Self.pin))
        #expect(try files()[Self.link] == nil)
    }

    private func installTool() throws {
        for path in [ImageTool.initramfsTools.hook, "/usr/share/initramfs-tools/hook-functions"] {
            try folder.write("", to: path)
        }
        try folder.write("", to: "/usr/sbin/update-initramfs")
        try folder.write("an image", to: "/boot/initrd.img-6.1")
    }

    @Test func `the initramfs is made by the tool that has the hook`() throws {
        try installTool()
        programs.image = "/boot/initrd.img-6.1"
        let (told, failure) = run(enable)
        #expect(failure == nil)
        #expect(programs.calls.last == ["-u", "-k", "all"])
        #expect(told.suffix(2) == ["initramfs: /usr/sbin/update-initramfs -u -k all", "initramfs: made"])
    }

    @Test func `a tool that makes nothing is not believed`() throws {
        try installTool()
        #expect(run(enable).told.last?.contains("no file in /boot has changed") == true)
    }

    @Test func `when the initramfs cannot be made, the unit is disabled again and the pin goes`() throws {
        try installTool()
        let before = try files()
        programs.failing = "-u"
        let (told, failure) = run(enable)
        #expect(failure?.reason == "the initramfs was not made: -u failed")
        #expect(failure?.left == [])
        #expect(told.last == "undone: pinned in \(Self.pin)")
        #expect(try files() == before)
    }

    @Test func `without a tool that is said`() throws {
        #expect(run(enable).told.last?.hasPrefix("initramfs: left as it is: no tool") == true)
    }

    @Test func `what cannot be undone is named`() throws {
        var calls = 0
        let (_, failure) = run(
            interruption: {
                calls += 1
                if calls > 1 { programs.failing = "disable" }
                return calls > 1 ? "SIGTERM" : nil
            }, enable)
        #expect(failure?.left.count == 1)
        #expect(failure?.left.first?.hasPrefix("enabled apertured@0000:01:00.0.service, and") == true)
        #expect(!folder.exists(Self.pin))
    }

    @Test func `when disable is interrupted, the unit is enabled again`() throws {
        run(enable)
        let before = try files()
        var calls = 0
        let (_, failure) = run(
            interruption: {
                calls += 1
                return calls > 2 ? "SIGINT" : nil
            }, disable)
        #expect(failure?.left == [])
        #expect(try files() == before)
    }

    @Test func `a unit that is enabled for this boot alone is disabled, too`() throws {
        _ = programs.run(["systemctl", "--runtime", "enable", "apertured@0000:01:00.0.service"])
        #expect(run(disable).failure == nil)
        #expect(programs.calls.last == ["--runtime", "disable", "apertured@0000:01:00.0.service"])
        #expect(EnablementReader(tree: tree).read(card.address).isEnabled == false)
    }

    @Test func `disable is content with what is not enabled`() throws {
        let (told, failure) = run(disable)
        #expect(failure == nil)
        #expect(told.first == "not enabled: apertured@0000:01:00.0.service")
        #expect(programs.calls.isEmpty)
    }

    @Test func `a configuration that cannot be read stops it before anything is written`() throws {
        try folder.makeFolder("/etc/apertured.conf")
        let (_, failure) = run(enable)
        #expect(failure?.reason.contains("/etc/apertured.conf") == true)
        #expect(programs.calls.isEmpty)
    }

    @Test func `a program that fails says how`() {
        let programs = MachinePrograms()
        #expect(programs.run(["/bin/true"]) == nil)
        #expect(programs.run(["/bin/sh", "-c", "exit 3"]) == "/bin/sh -c exit 3 ended with status 3")
        #expect(programs.run(["/bin/sh", "-c", "kill -9 $$"]) == "/bin/sh was ended by signal 9")
        #expect(programs.run(["/nowhere/systemctl"])?.hasPrefix("/nowhere/systemctl cannot be started") == true)
    }
}
