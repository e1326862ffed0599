import Aperture
import Fixtures
import Foundation
import KernelFiles
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"

/// The archive for a bug report.
struct ReportTests {
    private let output: TemporaryFolder

    init() throws { output = try TemporaryFolder() }

    private var file: String { "\(output.path)/report.tar.gz" }

    private static func conflicted() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, bootVGA: true, group: 3)
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", group: 3)
            FirmwareFramebuffer(.bootSimpledrm, 0xc000_0000...0xc03e_7fff, parent: gpu)
            BootScreen(base: 0xc000_0000, size: 0x3e_8000)
            Console(1, "(M) frame buffer device", isBound: true)
            Process(4711, "Xorg", holds: "/dev/fb0")
        }
    }

    /// The documents of a verb on the machine and on the unpacked report.
    private func expectSame(_ host: FixtureHost, _ report: UnpackedReport, _ words: [String], kept: String? = nil)
        throws
    {
        let there = try CommandLine.run(words + ["--json", "--root", host.folder.path])
        let here = try CommandLine.run(words + ["--json", "--root", report.path])
        #expect(there.output == here.output)
        #expect(there.status == here.status)
        if let kept { #expect(try report.text(kept) == here.output) }
    }

    @Test(arguments: [[], [gpu]]) func `unpacked it is a machine with the same plan and the same status`(
        _ words: [String]
    ) throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run(["report"] + words + ["--output", file, "--root", host.folder.path])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.isEmpty)
        let report = try UnpackedReport(file)
        try expectSame(host, report, ["plan", gpu], kept: "plan/\(gpu).json")
        try expectSame(host, report, ["status"] + words, kept: "status.json")
        #expect(try report.text("README").contains("plan --json --root apertured-report \(gpu)"))
    }

    @Test func `a finished claim is one below the report too, and its record is for its owner alone`() throws {
        let host = try FixtureHost { GPU(gpu, driver: nil) }
        #expect(try host.claim(gpu).isClaimed)
        #expect(try CommandLine.run("report", "--output", file, "--root", host.folder.path).status == 0)
        let report = try UnpackedReport(file)
        try expectSame(host, report, ["status"], kept: "status.json")
        #expect(try report.text("status.json").contains("\"claimed\""))
        for path in ["/run/apertured", "/run/apertured/\(gpu).json"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: report.path + path)
            let mode = try #require(attributes[.posixPermissions] as? Int)
            #expect(mode & 0o077 == 0)
        }
    }

    // MARK: - What is unknown stays unknown

    @Test func `what cannot be read is named, and cannot be read below the report either`() throws {
        let host = try Self.conflicted()
        // A folder in a file's place, and a link to itself in a folder's: both fail, whoever reads.
        try host.folder.remove("/sys/devices/pci0000:00/0000:01:00.0/resource")
        try host.folder.makeFolder("/sys/devices/pci0000:00/0000:01:00.0/resource")
        try host.folder.makeFolder("/proc/815")
        try host.folder.symlink("/proc/815/fd", destination: "fd")
        try host.folder.write("hidden\n", to: "/proc/815/comm")
        let result = try CommandLine.run("report", "--output", file, "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.errors.contains("0000:01:00.0"))
        let report = try UnpackedReport(file)
        let readme = try report.text("README")
        #expect(readme.contains("/sys/bus/pci/devices/0000:01:00.0/resource"))
        #expect(readme.contains("/proc/815/fd"))
        let plan = try CommandLine.run("plan", gpu, "--json", "--root", report.path)
        #expect(plan.status == 3)
        #expect(plan.output.contains("device-unreadable"))
        try expectSame(host, report, ["plan", gpu])
    }

    @Test func `a memory map without addresses stays one`() throws {
        let host = try FixtureHost {
            GPU(gpu)
            MaskedMemoryMap()
        }
        let result = try CommandLine.run("report", "--output", file, "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.errors.contains("/proc/iomem shows no addresses"))
        let report = try UnpackedReport(file)
        try expectSame(host, report, ["plan", gpu])
        #expect(try report.text("README").contains("/proc/iomem shows no addresses"))
    }

    @Test func `a machine that cannot be read still gives a report, which cannot be read either`() throws {
        let host = try FixtureHost { GPU(gpu) }
        try host.folder.remove("/sys/bus/pci/devices")
        let result = try CommandLine.run("report", gpu, "--output", file, "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.errors.contains("The machine could not be read: cannot list /sys/bus/pci/devices"))
        let report = try UnpackedReport(file)
        #expect(try report.contents()["plan"] == nil)
        try expectSame(host, report, ["plan", gpu])
    }

    @Test func `the answer of a framebuffer's node is a witness below the report too`() throws {
        let host = try Self.conflicted()
        // struct fb_fix_screeninfo: smem_start and smem_len.
        var bytes = [UInt8](repeating: 0, count: 80)
        bytes.replaceSubrange(16..<28, with: [0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0x80, 0x3e, 0])
        try host.folder.write(bytes, to: "/dev/fb0")
        let plan = try CommandLine.run("plan", gpu, "--json", "--root", host.folder.path)
        #expect(plan.output.contains("\"framebuffer\""), "\(plan.output)")
        #expect(try CommandLine.run("report", "--output", file, "--root", host.folder.path).status == 0)
        try expectSame(host, try UnpackedReport(file), ["plan", gpu])
    }

    // MARK: - What is not in it

    private static let planted = [
        "marvin", "trillian", "tricia", "mcmillan", "SN7F3K9Q2", "heartofgold", "00:e0:4c:68:00:01", "00e04c680001",
        "1b4e28ba", "WCC4N5XYZ", "petunia", "EDIDSERIAL", "cmdlinesecret", "environsecret", "0000:07:00.0",
        "90000000", "Kernel code", "deadbeef", "my own comment", "nfsserver", "veth12", "bystander", "00:1f.3",
    ]

    private static func machine() throws -> FixtureHost {
        let host = try FixtureHost {
            GPU(gpu, driver: "nvidia", group: 3)
            Function("0000:02:00.0", class: 0x0c0330, driver: "xhci_hcd", group: 3)
            Function(
                "0000:07:00.0", class: 0x020000, bars: [BAR(0, 0x9000_0000...0x9000_ffff)], driver: "e1000e", group: 9)
            KernelModule("nvidia", users: 1)
            Line(0x100_0000...0x1ff_ffff, "Kernel code")
            BootScreen(base: 0xc000_0000, size: 0x3e_8000)
            Process(4711, "trillian", holds: "/dev/nvidia0")
            Process(4712, "bystander", holds: "/home/trillian/petunia")
        }
        let folder = host.folder
        try folder.write("marvin.example.org\n", to: "/proc/sys/kernel/hostname")
        try folder.write(
            "root:x:0:0:root:/root:/bin/sh\ntrillian:x:1000:1000:Tricia McMillan,,,:/home/trillian:/bin/sh\n",
            to: "/etc/passwd")
        try folder.write("SN7F3K9Q2\n", to: "/sys/class/dmi/id/product_serial")
        try folder.write("", to: "/etc/libvirt/qemu/heartofgold.xml")
        try folder.write("# my own comment\n[GPU]\n", to: "/etc/apertured.conf")
        try folder.write(
            "Model: X\nGPU UUID: GPU-deadbeef-2fa1-11d2-883f-0016d3cca427\nDevice Minor: 0\n",
            to: "/proc/driver/nvidia/gpus/\(gpu)/information")
        try folder.write("qemu\0-name\0guest=heartofgold\0cmdlinesecret\0", to: "/proc/4711/cmdline")
        try folder.write("A=environsecret\0", to: "/proc/4711/environ")
        try folder.write("0::/machine.slice/machine-qemu\\x2d1\\x2dheartofgold.scope\n", to: "/proc/4711/cgroup")
        var bytes = BootScreen(base: 0xc000_0000, size: 0x3e_8000).bytes
        bytes.replaceSubrange(0x140..<0x14a, with: Array("EDIDSERIAL".utf8))
        try folder.write(bytes, to: KernelPath.bootParameters)
        try plantDisks(host)
        return host
    }

    private static func plantDisks(_ host: FixtureHost) throws {
        let folder = host.folder
        var files = HostFiles(folder)
        let below = "pci0000:00/0000:02:00.0/usb2/2-1/2-1:1.0"
        try files.block("\(below)/host0/target0:0:0/0:0:0:0/block/sda", "8:0")
        try files.block("pci0000:00/0000:00:1f.3/ata1/host1/target1:0:0/1:0:0:0/block/sdb", "8:16")
        try files.mapper(0, "marvin--vg-root", on: ["sda"])
        try files.mount("253:0", "/home/trillian/data", "ext4", "/dev/mapper/marvin--vg-root")
        try files.mount("0:50", "/srv", "nfs4", "nfsserver:/petunia")
        try files.swaps(["/dev/sdb partition", "/home/trillian/petunia file"])
        try files.content("8:0", type: "ext4", label: "petunia")
        try folder.write(
            "E:ID_SERIAL=WD-WCC4N5XYZ\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=petunia\n", to: "/run/udev/data/b8:0")
        try folder.makeFolder("/sys/fs/btrfs/1b4e28ba-2fa1-11d2-883f-0016d3cca427/devices/sda")
        try files.block("virtual/block/loop0", "7:0")
        try folder.write("/home/trillian/petunia.img\n", to: "/sys/class/block/loop0/loop/backing_file")
        try files.interface("\(below)/net/enx00e04c680001")
        try files.interface("virtual/net/veth12")
        try files.input("\(below)/0003:046D:C52B.0001/input/input9", name: "trillian's 00:e0:4c:68:00:01")
    }

    @Test func `nothing that names the machine, a person or a guest is in it`() throws {
        let host = try Self.machine()
        let result = try CommandLine.run("report", "--output", file, "--root", host.folder.path)
        #expect(result.status == 0, "\(result.errors)")
        let report = try UnpackedReport(file)
        let contents = try report.contents()
        for word in Self.planted {
            let hits = contents.filter { "\($0.key) \($0.value)".localizedCaseInsensitiveContains(word) }.keys
            #expect(hits.isEmpty, "\(word): \(hits.sorted())")
        }
        // It is the same machine all the same: what is in the way is found below the report.
        let plan = try CommandLine.run("plan", gpu, "--json", "--root", report.path)
        #expect(try report.text("plan/\(gpu).json") == plan.output)
        for word in ["host-depends", "/home/user-1/data is mounted from dm-0 (host-2--vg-root)", "enx020000000001"] {
            #expect(plan.output.contains(word), "\(word)")
        }
    }

    // MARK: - The file

    @Test(.enabled(if: geteuid() == 0)) func `another user than root is told what is missing`() throws {
        let result = try CommandLine.run(["report", "--output", "-"], asUser: 65_534)
        #expect(result.status == 0)
        #expect(result.errors.contains("not made by root"))
        #expect(result.errors.contains("/proc/iomem"))
    }

    @Test func `a file that exists is not replaced without --force, and nothing else is left behind`() throws {
        let host = try Self.conflicted()
        try output.write("precious\n", to: "/report.tar.gz")
        let words = ["report", "--output", file, "--root", host.folder.path]
        let refused = try CommandLine.run(words)
        #expect(refused.status == 3)
        #expect(refused.errors.contains("exists already"))
        #expect(try output.text("/report.tar.gz") == "precious\n")
        #expect(try CommandLine.run(words + ["--force"]).status == 0)
        _ = try UnpackedReport(file)
        #expect(try FileManager.default.contentsOfDirectory(atPath: output.path) == ["report.tar.gz"])
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func `a link, a folder and a missing folder are no place for it`() throws {
        let host = try Self.conflicted()
        try output.symlink("/link", destination: "elsewhere")
        try output.makeFolder("/folder")
        for (place, status) in [("/link", 3), ("/folder", 3), ("/no/report.tar.gz", 1)] as [(String, Int32)] {
            let words = ["report", "--force", "--output", output.path + place, "--root", host.folder.path]
            let result = try CommandLine.run(words)
            #expect(result.status == status, "\(place): \(result.errors)")
            #expect(result.errors.contains(place))
        }
        #expect(!output.exists("/elsewhere"))
    }

    @Test func `the standard output is a place for it`() throws {
        let host = try Self.conflicted()
        let words = "\"$0\" report --output - --root '\(host.folder.path)' > '\(file)'"
        #expect(try CommandLine.shell(words).status == 0)
        #expect(try UnpackedReport(file).contents()["README"] != nil)
    }

    @Test(
        arguments: [(["--output", "x", "0000:09:00.0"], 3), ([], 2), (["--output"], 2), (["--output", ""], 2)]
            as [([String], Int32)])
    func `a GPU that is not there is refused, and an output that is missing is a mistake`(
        _ words: [String], _ status: Int32
    ) throws {
        let host = try Self.conflicted()
        let words = words.map { $0 == "x" ? file : $0 }
        #expect(try CommandLine.run(["report"] + words + ["--root", host.folder.path]).status == status)
        #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).isEmpty)
    }
}
