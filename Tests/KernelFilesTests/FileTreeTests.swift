import Fixtures
import KernelFiles
import SystemPackage
import Testing

@Suite("File tree")
struct FileTreeTests {
    private let folder: TemporaryFolder
    private let tree: FileTree

    init() throws {
        folder = try TemporaryFolder()
        tree = FileTree(root: FilePath(folder.path))
    }

    @Test(
        "Text comes without the white space around it",
        arguments: [
            ("0x030000\n", "0x030000"), ("  a b \r\n", "a b"), ("\n", ""), ("", ""), ("x", "x"),
        ])
    func text(_ content: String, _ expected: String) throws {
        try folder.write(content, to: "/sys/attribute")
        #expect(try tree.text("/sys/attribute") == expected)
    }

    @Test("A file larger than any buffer is read whole")
    func largeFile() throws {
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0) }
        try folder.write(bytes, to: "/proc/iomem")
        #expect(try tree.bytes("/proc/iomem") == bytes)
    }

    @Test("A missing file is an error with the kernel's path, or nil where that is asked for")
    func missing() throws {
        #expect(throws: FileTreeError(.open, "/sys/none", .noSuchFileOrDirectory)) { try tree.text("/sys/none") }
        #expect(try tree.textIfPresent("/sys/none") == nil)
        #expect(try tree.listIfPresent("/sys/none").isEmpty)
        #expect(throws: FileTreeError(.list, "/sys/none", .noSuchFileOrDirectory)) { try tree.list("/sys/none") }
    }

    @Test("A folder is no file: the error says so and names it")
    func folderIsNoFile() throws {
        try folder.makeFolder("/sys/bus")
        #expect(throws: FileTreeError(.read, "/sys/bus", .isDirectory)) { try tree.bytes("/sys/bus") }
    }

    @Test("A link is known by its last component, and nothing else is a link")
    func links() throws {
        try folder.write("", to: "/sys/bus/pci/drivers/vfio-pci/bind")
        try folder.link("/sys/devices/a/driver", to: "/sys/bus/pci/drivers/vfio-pci")
        #expect(try tree.linkName("/sys/devices/a/driver") == "vfio-pci")
        #expect(try tree.linkName("/sys/devices/a/none") == nil)
        #expect(try tree.linkName("/sys/bus/pci/drivers/vfio-pci/bind") == nil)
    }

    @Test("No link leads out of the root", arguments: Escape.all)
    func escapes(_ escape: Escape) throws {
        let path = "/sys/bus/pci/devices/0000:01:00.0/class"
        let outside = try escape.plant(path, in: folder)
        #expect(throws: FileTreeError.self) { try tree.bytes(path) }
        #expect(!tree.exists(path))
        #expect(tree.identity(path) == nil)
        if escape.part != .attribute {
            #expect(throws: FileTreeError.self) { try tree.list("/sys/bus/pci/devices/0000:01:00.0") }
        }
        try outside.symlink("/sys/bus/pci/devices/0000:01:00.0/driver", destination: "../outside")
        #expect(try tree.linkTarget("/sys/bus/pci/devices/0000:01:00.0/driver") == nil)
    }

    @Test("An absolute link stays within the root, and an attribute is never one")
    func absoluteLinks() throws {
        try folder.write("inside\n", to: "/etc/real")
        try folder.symlink("/etc/link", destination: "/etc/real")
        #expect(try tree.text("/etc/link") == "inside")
        try folder.write("0x030000\n", to: "/sys/devices/a/class")
        try folder.symlink("/sys/b", destination: "/sys/devices/a")
        #expect(try tree.text("/sys/b/class") == "0x030000")
        #expect(try tree.list("/sys/b") == ["class"])
        #expect(tree.exists("/sys/b"))
        try folder.symlink("/sys/class", destination: "devices/a/class")
        #expect(throws: FileTreeError(.open, "/sys/class", .tooManySymbolicLinkLevels)) { try tree.text("/sys/class") }
    }

    @Test("A root may be named by a relative path, and may be a link itself")
    func namedRoots() throws {
        try folder.write("inside\n", to: "/root/sys/attribute")
        try folder.symlink("/link", destination: "root")
        #expect(try FileTree(root: FilePath(folder.path + "/link")).text("/sys/attribute") == "inside")
        let working = try #require(try FileTree().linkTarget("/proc/self/cwd"))
        let up = String(repeating: "../", count: working.split(separator: "/").count)
        let relative = FilePath("./\(up)\(folder.path.dropFirst())/root")
        #expect(try FileTree(root: relative).text("/sys/attribute") == "inside")
    }

    @Test("An error says what was written, where, and the errno")
    func errorText() {
        let error = FileTreeError(.write, "/sys/a/driver_override", .permissionDenied, value: "\n")
        #expect(error.description == "cannot write '\\n' to /sys/a/driver_override: Permission denied (errno 13)")
    }
}
