import Aperture
import Configuration
import Fixtures
import Glibc
import KernelFiles
import SystemPackage
import Testing

struct ConfigurationReaderTests {
    private let folder: TemporaryFolder
    private let tree: FileTree
    private var reader: ConfigurationReader { ConfigurationReader(tree: tree) }

    init() throws {
        folder = try TemporaryFolder()
        tree = FileTree(root: FilePath(folder.path))
    }

    @Test func `no files are no sections`() throws {
        #expect(try reader.read() == Configuration())
    }

    @Test func `one main file counts, the administrator's first`() throws {
        try folder.write("x", to: "/usr/lib/apertured.conf")
        #expect(try reader.files().map(\.path) == ["/usr/lib/apertured.conf"])
        try folder.write("x", to: "/run/apertured.conf")
        #expect(try reader.files().map(\.path) == ["/run/apertured.conf"])
        try folder.write("x", to: "/etc/apertured.conf")
        #expect(try reader.files().map(\.path) == ["/etc/apertured.conf"])
        try folder.write("", to: "/etc/apertured.conf")
        #expect(try reader.files().isEmpty)
    }

    @Test func `drop-ins come after it, by name, whatever directory they are in`() throws {
        for path in [
            "/etc/apertured.conf", "/etc/apertured.conf.d/50-b.conf", "/run/apertured.conf.d/40-a.conf",
            "/run/apertured.conf.d/90-z.conf", "/usr/lib/apertured.conf.d/60-c.conf",
        ] {
            try folder.write("x", to: path)
        }
        #expect(
            try reader.files().map(\.path) == [
                "/etc/apertured.conf", "/run/apertured.conf.d/40-a.conf", "/etc/apertured.conf.d/50-b.conf",
                "/usr/lib/apertured.conf.d/60-c.conf", "/run/apertured.conf.d/90-z.conf",
            ])
    }

    @Test func `a drop-in replaces those of its name in later directories`() throws {
        try folder.write("x", to: "/usr/lib/apertured.conf.d/10-a.conf")
        try folder.write("x", to: "/run/apertured.conf.d/10-a.conf")
        #expect(try reader.files().map(\.path) == ["/run/apertured.conf.d/10-a.conf"])
        try folder.write("x", to: "/etc/apertured.conf.d/10-a.conf")
        #expect(try reader.files().map(\.path) == ["/etc/apertured.conf.d/10-a.conf"])
    }

    @Test func `an empty drop-in, or a link to nowhere in particular, masks`() throws {
        try folder.write("x", to: "/usr/lib/apertured.conf.d/10-a.conf")
        try folder.write("x", to: "/usr/lib/apertured.conf.d/20-b.conf")
        try folder.write("", to: "/etc/apertured.conf.d/10-a.conf")
        try folder.makeFolder("/run/apertured.conf.d")
        try folder.symlink("/run/apertured.conf.d/20-b.conf", destination: "/dev/null")
        #expect(try reader.files().isEmpty)
    }

    @Test func `other files in the directory are none`() throws {
        for name in ["README", "10-a.conf~", "10-a.conf.bak", ".10-a.conf", "conf"] {
            try folder.write("[GPU", to: "/etc/apertured.conf.d/\(name)")
        }
        #expect(try reader.read() == Configuration())
    }

    @Test func `what cannot be read is an error, as it might forbid something`() throws {
        try folder.makeFolder("/etc/apertured.conf.d/10-a.conf")
        let error = #expect(throws: FileTreeError.self) { try reader.read() }
        #expect(error?.errno == .isDirectory && error?.detail == "it is not a regular file")
        try folder.remove("/etc/apertured.conf.d/10-a.conf")
        try folder.symlink("/etc/apertured.conf.d/10-a.conf", destination: "gone")
        #expect(throws: FileTreeError(.open, "/etc/apertured.conf.d/10-a.conf", .noSuchFileOrDirectory)) {
            try reader.read()
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a FIFO is not waited for`() throws {
        try folder.makeFolder("/etc/apertured.conf.d")
        try #require(unsafe mkfifo(folder.path + "/etc/apertured.conf.d/10-a.conf", 0o600) == 0)
        let error = #expect(throws: FileTreeError.self) { try reader.read() }
        #expect(error?.path == "/etc/apertured.conf.d/10-a.conf" && error?.detail == "it is not a regular file")
    }

    @Test func `bytes that are no text are a warning like another`() throws {
        try folder.write([0x5b, 0x47, 0x50, 0x55, 0x5d, 0x0a, 0xff, 0xfe, 0x3d, 0x00], to: "/etc/apertured.conf")
        let configuration = try reader.read()
        #expect(configuration.sections.count == 1)
        #expect(configuration.warnings.map(\.place.line) == [2])
    }
}
