import Aperture
import Fixtures
import Foundation
import KernelFiles
import Reclaim
import SystemPackage
import Testing

/// Who has a node open: on the machine itself, by what this process has, one test at a time; and below a root.
@Suite("Holder reader", .serialized)
struct HolderReaderTests {
    /// What this process holds of the nodes, to its own reader.
    private func held(of names: Set<String>) -> (nodes: Set<String>, unknown: String?) {
        let reading = HolderReader(names, in: FileTree(), sparing: nil).read()
        let own = ProcessInfo.processInfo.processIdentifier
        return (Set(reading.holders.filter { $0.pid == own }.map(\.node)), reading.unknown)
    }

    /// Makes another node of a device in a folder, where that is allowed.
    private static func another(_ folder: URL, _ number: dev_t) -> String? {
        let path = folder.appending(path: "renamed").path
        guard unsafe mknod(path, S_IFCHR | 0o600, number) == 0 else { return nil }
        let file = unsafe open(path, O_RDWR)
        guard file >= 0 else { return nil }
        close(file)
        return path
    }

    private static func withFolder<Result>(_ work: (URL) throws -> Result) throws -> Result {
        // Not /dev/shm, which allows no devices.
        let folder = FileManager.default.temporaryDirectory.appending(path: "apertured-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try work(folder)
    }

    private static let canMakeNodes = (try? withFolder { another($0, makeDevice(1, 7)) != nil }) ?? false

    private static func makeDevice(_ major: UInt64, _ minor: UInt64) -> dev_t { dev_t(major << 8 | minor) }

    // MARK: - The machine

    @Test("An open device is found, and is no longer when it is closed")
    func opened() {
        let file = unsafe open("/dev/full", O_RDONLY)
        #expect(held(of: ["/dev/full"]).nodes == ["/dev/full"])
        close(file)
        #expect(held(of: ["/dev/full"]).nodes.isEmpty)
    }

    @Test("A device is found under another name", .enabled(if: HolderReaderTests.canMakeNodes))
    func renamed() throws {
        try Self.withFolder { folder in
            let path = try #require(Self.another(folder, Self.makeDevice(1, 7)))
            let file = unsafe open(path, O_RDONLY)
            #expect(file >= 0)
            #expect(held(of: ["/dev/full"]).nodes == ["/dev/full"])
            close(file)
        }
    }

    @Test("A plain file with a node's name holds nothing, open or mapped")
    func plainFile() throws {
        try Self.withFolder { folder in
            let path = folder.appending(path: "renderD129").path
            try Data(count: 4096).write(to: URL(filePath: path))
            let file = unsafe open(path, O_RDWR)
            let memory = unsafe mmap(nil, 4096, PROT_READ, MAP_SHARED, file, 0)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(file)") == path)
            #expect(held(of: [path]).nodes.isEmpty)
            unsafe munmap(memory, 4096)
            close(file)
        }
    }

    @Test("Where there is no time to look at every process, that is said")
    func late() {
        var none = HolderReader.Deadlines()
        none.all = 0
        let cut = HolderReader(["/dev/full"], in: FileTree(), sparing: nil, deadlines: none).read()
        #expect(cut.unknown?.contains("it has not answered in time") == true)
    }

    @Test("A device is found among as many mappings as fill many pieces", .enabled(if: geteuid() == 0))
    func manyMappings() {
        let page = 4096
        let pages = 4000
        let file = unsafe open("/proc/self/exe", O_RDONLY)
        let memory = unsafe mmap(nil, pages * page, PROT_READ, MAP_PRIVATE, file, 0)
        close(file)
        // Every other page has other rights, and so a mapping of its own.
        for index in stride(from: 0, to: pages, by: 2) {
            unsafe mprotect(memory?.advanced(by: index * page), page, PROT_NONE)
        }
        let device = unsafe open("/dev/zero", O_RDONLY)
        let mapped = unsafe mmap(nil, page, PROT_READ, MAP_PRIVATE, device, 0)
        close(device)
        let held = held(of: ["/dev/zero", "/dev/full"])
        #expect(held.nodes == ["/dev/zero"])
        unsafe munmap(mapped, page)
        unsafe munmap(memory, pages * page)
    }

    @Test("A line of maps has a path, or none")
    func mapsLines() {
        let rows: [(String, String?)] = [
            ("00400000-00401000 r-xp 00000000 08:01 42                         /usr/bin/a b", "/usr/bin/a b"),
            ("00400000-00401000 r-xp 00000000 00:05 42 /dev/dri/card0 (deleted)", "/dev/dri/card0 (deleted)"),
            ("7ffd0000-7ffd1000 rw-p 00000000 00:00 0                          [stack]", nil),
            ("7ffd0000-7ffd1000 rw-p 00000000 00:00 0 ", nil),
            ("7f000000-7f001000 rw-s 00000000 00:0e 7 anon_inode:[vfio/x]", nil),
            ("", nil), ("/", nil), ("a b c /d", nil), ("a b c d/e", nil), ("a b c d /e", "/e"),
        ]
        for (line, path) in rows { #expect(MapsLine.path(Array(line.utf8)[...]) == path, "\(line)") }
    }

    @Test("A descriptor that is only a path, which anyone can have, holds nothing")
    func onlyPath() {
        // O_PATH
        let file = unsafe open("/dev/full", 0o10000000)
        #expect(file >= 0)
        #expect(held(of: ["/dev/full"]).nodes.isEmpty)
        close(file)
    }

    @Test("A mapping holds a device whose descriptor is closed", .enabled(if: geteuid() == 0))
    func mapped() {
        let file = unsafe open("/dev/zero", O_RDONLY)
        let memory = unsafe mmap(nil, 4096, PROT_READ, MAP_PRIVATE, file, 0)
        close(file)
        #expect(held(of: ["/dev/zero"]).nodes == ["/dev/zero"])
        unsafe munmap(memory, 4096)
        #expect(held(of: ["/dev/zero"]).nodes.isEmpty)
    }

    // MARK: - Below a root

    /// A machine with a card on amdgpu whose node is a plain file, and one process.
    private func machine(_ process: Fixtures.Process) throws -> FixtureHost {
        let host = try FixtureHost {
            GPU("0000:01:00.0", driver: "amdgpu")
            process
        }
        try host.folder.makeFolder("/sys/devices/pci0000:00/0000:01:00.0/drm/card0")
        try host.folder.write("", to: "/dev/dri/card0")
        return host
    }

    @Test(
        "Below a root a link counts that leads to the node, whatever it is called, and one that leads nowhere by its text"
    )
    func links() throws {
        let seen = try machine(Fixtures.Process(7, "Xorg", holds: "/dev/dri/card0"))
        #expect(try seen.snapshot(withHolders: true).holders.map(\.node) == ["/dev/dri/card0"])
        let renamed = try machine(Fixtures.Process(7, "Xorg", holds: "/srv/gpu"))
        try renamed.folder.link("/srv/gpu", to: "/dev/dri/card0")
        #expect(try renamed.snapshot(withHolders: true).holders.map(\.node) == ["/dev/dri/card0"])
        let captured = try machine(Fixtures.Process(7, "Xorg", holds: "/dev/dri/card0"))
        try captured.folder.remove("/dev/dri/card0")
        #expect(try captured.snapshot(withHolders: true).holders.map(\.node) == ["/dev/dri/card0"])
        let other = try machine(Fixtures.Process(7, "cat", holds: "/dev/dri/card1"))
        #expect(try other.snapshot(withHolders: true).holders.isEmpty)
    }

    @Test("A framebuffer that is open counts after its node has gone")
    func gone() throws {
        let host = try machine(Fixtures.Process(7, "plymouthd", holds: "/dev/fb3 (deleted)"))
        #expect(try host.snapshot(withHolders: true).holders.map(\.node) == ["/dev/fb3"])
    }

    @Test("nvidia's virtual functions are VFIO's while its own driver has them: their nodes count")
    func virtualFunction() throws {
        let host = try FixtureHost {
            GPU("0000:01:00.4", driver: "nvidia", group: 9)
            Fixtures.Process(7, "qemu-system-x86", holds: "/dev/vfio/9")
        }
        try host.folder.makeFolder("/sys/devices/pci0000:00/0000:01:00.4/vfio-dev/vfio3")
        try host.folder.write("Device Minor: 0\n", to: "/proc/driver/nvidia/gpus/0000:01:00.4/information")
        let function = try #require(try host.snapshot(withHolders: false).functions.first)
        #expect(function.nodes == ["/dev/vfio/9", "/dev/vfio/devices/vfio3"])
        #expect(try host.snapshot(withHolders: true).holders(of: function).map(\.pid) == [7])
    }

    @Test(
        "A service is told from a user's and from a container's",
        arguments: [
            ("0::/system.slice/gdm.service", "gdm.service", true, nil),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/steam.service", "steam.service", false, 1000),
            ("0::/user.slice/user-1000.slice/user@1000.service/a.service/b.service", "b.service", false, nil),
            ("0::/user.slice/user-1000.slice/session-2.scope", "session-2.scope", true, nil),
            ("0::/system.slice/docker-4711.scope/system.slice/nginx.service", "nginx.service", false, nil),
            ("0::/init.scope", "init.scope", true, nil),
            ("12:devices:/\n1:name=systemd:/system.slice/gdm.service\n", "gdm.service", true, nil),
        ] as [(String, String, Bool, UInt32?)])
    func units(_ group: String, _ unit: String, _ isSystemUnit: Bool, _ user: UInt32?) throws {
        let host = try machine(Fixtures.Process(7, "x", holds: "/dev/dri/card0"))
        try host.folder.write(group, to: "/proc/7/cgroup")
        let holder = try #require(try host.snapshot(withHolders: true).holders.first)
        #expect(holder.unit == unit && holder.isSystemUnit == isSystemUnit && holder.user == user)
    }

    @Test("A QEMU process names its guest, below a root")
    func guest() throws {
        let host = try machine(Fixtures.Process(7, "qemu-system-x86", holds: "/dev/dri/card0"))
        try host.folder.write("/usr/bin/qemu-system-x86_64\0-name\0guest=win10\0", to: "/proc/7/cmdline")
        let holder = try #require(try host.snapshot(withHolders: true).holders.first)
        #expect(holder.guest == "win10")
        #expect(holder.description == "qemu-system-x86 (pid 7, guest 'win10') holds /dev/dri/card0")
        let other = try machine(Fixtures.Process(7, "Xorg", holds: "/dev/dri/card0"))
        try other.folder.write("/usr/bin/qemu-system-x86_64\0-name\0guest=win10\0", to: "/proc/7/cmdline")
        #expect(try other.snapshot(withHolders: true).holders.map(\.guest) == [nil])
    }

    @Test("A QEMU process names its guest, on the machine itself")
    func guestOnMachine() throws {
        try Self.withFolder { folder in
            // A shell that is called as QEMU is.
            let program = folder.appending(path: "qemu-system-test")
            try FileManager.default.copyItem(at: URL(filePath: "/bin/sh").resolvingSymlinksInPath(), to: program)
            let (shell, input) = (Foundation.Process(), Pipe())
            shell.executableURL = program
            shell.arguments = ["-c", "read line", "-name", "guest=win,,10,debug-threads=on"]
            shell.standardInput = input
            shell.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
            try shell.run()
            defer {
                try? input.fileHandleForWriting.close()
                shell.waitUntilExit()
            }
            let reading = HolderReader(["/dev/full"], in: FileTree(), sparing: nil).read()
            let holder = try #require(reading.holders.first { $0.pid == shell.processIdentifier })
            #expect(holder.guest == "win,10")
        }
    }

    // MARK: - Who is not seen

    @Test(
        "Another PID namespace than the host's is said, and the host's is not",
        arguments: [
            (["self": 4_026_532_001], true), (["self": 4_026_531_836], false),
            // The host's table, given to a container; a container's, seen from a third one.
            (["self": 4_026_532_001, "1": 4_026_531_836], false), (["1": 4_026_532_002], true), ([:], false),
        ])
    func namespaces(_ links: [String: Int], _ isUnknown: Bool) throws {
        let host = try machine(Fixtures.Process(7, "Xorg", holds: "/dev/dri/card0"))
        for (process, number) in links {
            try host.folder.makeFolder("/proc/\(process)/ns")
            try host.folder.symlink("/proc/\(process)/ns/pid", destination: "pid:[\(number)]")
        }
        let snapshot = try host.snapshot(withHolders: true)
        #expect((snapshot.holdersUnknown?.contains("PID namespace") == true) == isUnknown)
        #expect((snapshot.holdersUnknown != nil) == isUnknown)
        #expect(snapshot.holders.map(\.pid) == [7], "who is seen is seen")
        #expect(try host.snapshot(withHolders: false).holdersUnknown == nil)
        let refusal = Refusal.foreignProcesses(in: FileTree(root: FilePath(host.folder.path)))
        #expect((refusal?.code == .holdersUnknown) == isUnknown, "a guard does not even begin")
    }

    @Test("Processes that cannot be listed leave everything unknown")
    func noProcesses() throws {
        let folder = try TemporaryFolder()
        let reading = HolderReader([], in: FileTree(root: FilePath(folder.path)), sparing: nil).read()
        #expect(reading.unknown?.contains("/proc") == true)
    }
}
