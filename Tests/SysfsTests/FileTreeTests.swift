import Fixtures
import Sysfs
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

    @Test("An error says what was written, where, and the errno")
    func errorText() {
        let error = FileTreeError(.write, "/sys/a/driver_override", .permissionDenied, value: "\n")
        #expect(error.description == "cannot write '\\n' to /sys/a/driver_override: Permission denied (errno 13)")
    }
}
