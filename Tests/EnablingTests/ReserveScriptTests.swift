import Aperture
import Fixtures
import Foundation
import Testing

/// packaging/initramfs/reserve, in the shells that an initramfs has.
struct ReserveScriptTests {
    private static let gpu = "0000:01:00.0"
    private static let left = "/run/apertured-initramfs"
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../packaging/initramfs/reserve").standardized.path

    private let host: FixtureHost
    private var device: String { "/sys/bus/pci/devices/\(Self.gpu)" }

    init() throws {
        host = try FixtureHost { GPU(Self.gpu, class: 0x030000, group: 3) }
    }

    /// A condition that the card meets.
    private func path() throws -> String {
        let path = URL(filePath: host.folder.path + device).resolvingSymlinksInPath().path
        return String(path.dropFirst((host.folder.path + "/sys/devices/").count))
    }

    /// Runs it with these lines in each shell that is there, on the same machine each time.
    /// - Returns: What modprobe was asked for, by the last of them.
    @discardableResult
    private func run(_ lines: String..., arguments: String = "quiet", check: () throws -> Void) throws -> [String] {
        let folder = host.folder
        try folder.write("\(arguments)\n", to: "/proc/cmdline")
        try folder.write(lines.map { "\($0)\n" }.joined(), to: "/list")
        try folder.write("#!/bin/sh\necho \"$@\" >>\(folder.path)/loaded\n", to: "/sbin/modprobe")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path + "/sbin/modprobe")
        var loaded: [String] = []
        for shell in [["/bin/sh"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]]
        where FileManager.default.isExecutableFile(atPath: shell[0]) {
            for file in ["/loaded", Self.left] where folder.exists(file) { try folder.remove(file) }
            try folder.write("(null)\n", to: "\(device)/driver_override")
            let process = Process()
            process.executableURL = URL(filePath: shell[0])
            process.arguments = shell.dropFirst() + [Self.script, folder.path + "/list"]
            process.environment = ["PATH": "/usr/bin:/bin", "APERTURED_ROOT": folder.path]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(shell)")
            try check()
            loaded = folder.exists("/loaded") ? try text("/loaded").split(separator: "\n").map(String.init) : []
        }
        return loaded
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOfFile: host.folder.path + path, encoding: .utf8).trimmingCharacters(in: .newlines)
    }

    private func expectReserved() throws {
        #expect(try text("\(device)/driver_override") == "vfio-pci")
        #expect(try text("\(Self.left)/\(Self.gpu)") == "vfio-pci")
        #expect(!host.folder.exists("\(Self.left)/\(Self.gpu).passed-over"))
    }

    private func expectPassedOver(_ reason: String) throws {
        #expect(try text("\(device)/driver_override") == "(null)")
        #expect(!host.folder.exists("\(Self.left)/\(Self.gpu)"))
        #expect(try text("\(Self.left)/\(Self.gpu).passed-over") == reason)
    }

    @Test func `a card that meets every condition is reserved, and the driver loaded`() throws {
        let line = "gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci id=1234:1111 path=\(try path()) boot-vga=no"
        let loaded = try run(line) { try expectReserved() }
        #expect(loaded == ["-q vfio-pci"])
    }

    @Test(arguments: [
        ("id=1234:1112", "it is 1234:1111, not 1234:1112"),
        ("path=pci0000:00/0000:00:01.0", "its path is PATH, not pci0000:00/0000:00:01.0"),
        ("path=*", "its path is PATH, not *"),
        ("boot-vga=yes", "whether the firmware's screen is there: no, not yes"),
        ("color=red", "the condition color=red is not known"),
    ])
    func `a card that does not is left alone, and the reason kept`(condition: String, reason: String) throws {
        let path = try path()
        #expect(path.split(separator: "/").count == 2)
        let loaded = try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci \(condition)") {
            try expectPassedOver(reason.replacing("PATH", with: path))
        }
        #expect(loaded.isEmpty)
    }

    @Test func `a star stands for one component of the path`() throws {
        try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci path=pci0000:*/*") { try expectReserved() }
    }

    @Test func `apertured=off leaves every card alone`() throws {
        try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci", arguments: "quiet apertured=off") {
            try expectPassedOver("apertured=off")
        }
    }

    @Test func `a card that is missing is passed over`() throws {
        try run("gpu=0000:09:00.0 driver=vfio-pci module=vfio-pci") {
            let reason = try text("\(Self.left)/0000:09:00.0.passed-over")
            #expect(reason == "no device is at the address")
        }
    }

    @Test func `without an IOMMU the card is left to its driver`() throws {
        try host.folder.remove("\(device)/iommu_group")
        try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci") { try expectPassedOver("it is in no IOMMU group") }
    }

    @Test func `a card that has a driver keeps it`() throws {
        try host.folder.makeFolder("/sys/bus/pci/drivers/bochs-drm")
        try host.folder.symlink(
            "\(device)/driver", destination: "\(host.folder.path)/sys/bus/pci/drivers/bochs-drm")
        try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci") { try expectPassedOver("a driver has it already") }
    }

    @Test func `no driver is loaded that would end the firmware's screen`() throws {
        try host.folder.write("1\n", to: "\(device)/boot_vga")
        let loaded = try run("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci") { try expectReserved() }
        #expect(loaded.isEmpty)
    }

    @Test func `what is no line of the list writes nothing`() throws {
        try run("", "# a comment", "gpu=../../../etc driver=vfio-pci", "gpu=\(Self.gpu)x driver=vfio-pci module=x") {
            let override = try text("\(device)/driver_override")
            #expect(override == "(null)")
            #expect(!host.folder.exists("\(Self.left)/\(Self.gpu)"))
        }
    }
}
