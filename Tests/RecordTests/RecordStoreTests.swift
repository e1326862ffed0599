import Aperture
import Fixtures
import Foundation
import KernelFiles
import Record
import Synchronization
import SystemPackage
import Testing

@Suite("Record store")
struct RecordStoreTests {
    private let folder: TemporaryFolder
    private let store: RecordStore
    private let gpu: PCIAddress

    init() throws {
        folder = try TemporaryFolder()
        store = RecordStore(tree: FileTree(root: FilePath(folder.path)))
        gpu = try #require(PCIAddress("0000:01:00.0"))
    }

    private var record: ClaimRecord {
        let state = PriorState(
            functions: [
                .init(
                    address: gpu, driver: "amdgpu", driverOverride: nil,
                    bars: [0: AddressRange(start: 0xc000_0000, last: .max) ?? .all])
            ],
            framebuffers: [
                .init(
                    name: "efi-framebuffer.0", driver: "efi-framebuffer", driverOverride: nil,
                    range: AddressRange(start: 0xc000_0000, size: 4096), ownsRange: true)
            ], consoles: [1])
        var record = ClaimRecord(
            gpu: gpu, state: .claiming, prior: state, start: state, wasClaimed: true, nativeDrivers: ["bochs-drm"],
            unloadedModules: ["nvidia_drm", "nvidia"],
            marks: [.init(action: "unbind-driver", target: "x", path: "/sys/y", value: "a\n\"b\"")],
            stuckWrite: .init(path: "/sys/y", process: 4711, started: .max), device: .max)
        (record.since, record.proof) = (1_790_000_000, .init(time: 1_790_000_001, bars: 2))
        record.unit = "apertured@0000:01:00.0.service"
        record.stoppedUnits = ["display-manager.service", "a\\x2db@c.service"]
        return record
    }

    @Test("A record comes back as it was saved")
    func roundTrip() throws {
        #expect(try store.load(gpu) == nil)
        try store.save(record)
        #expect(try store.load(gpu) == record)
        #expect(try store.recorded() == [gpu])
        try store.remove(gpu)
        #expect(try store.load(gpu) == nil)
        #expect(try store.recorded().isEmpty)
    }

    @Test("The folder is for its owner alone, and so are the files")
    func permissions() throws {
        try store.save(record)
        let manager = FileManager.default
        let folderMode = try manager.attributesOfItem(atPath: folder.path + "/run/apertured")[.posixPermissions]
        #expect((folderMode as? Int) == 0o700)
        let names = try manager.contentsOfDirectory(atPath: folder.path + "/run/apertured").sorted()
        #expect(names == [".0000:01:00.0.json.room", "0000:01:00.0.json"])
        for name in names {
            let attributes = try manager.attributesOfItem(atPath: folder.path + "/run/apertured/\(name)")
            #expect((attributes[.posixPermissions] as? Int) == 0o600)
        }
    }

    @Test("There is room for the next record before it is needed, and nothing is left when the last one goes")
    func room() throws {
        let manager = FileManager.default
        let path = folder.path + "/run/apertured/.0000:01:00.0.json.room"
        try folder.write("partial", to: "/run/apertured/.0000:01:00.0.json.new")
        try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path + "/run/apertured")
        for _ in 0..<3 {
            try store.save(record)
            var status = stat()
            #expect(unsafe stat(path, &status) == 0)
            // Blocks are counted in units of 512 bytes.
            #expect(status.st_blocks * 512 >= 16_384)
            #expect(try store.load(gpu) == record)
        }
        try store.remove(gpu)
        #expect(try manager.contentsOfDirectory(atPath: folder.path + "/run/apertured").isEmpty)
    }

    @Test("A folder that others may use is not trusted")
    func loosePermissions() throws {
        try store.save(record)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o770], ofItemAtPath: folder.path + "/run/apertured")
        #expect(throws: RecordError.self) { try store.load(gpu) }
        #expect(throws: RecordError.self) { try store.save(record) }
    }

    @Test("A folder that a kubelet has made for everybody to list is closed before anything is written into it")
    func listedByAll() throws {
        let path = folder.path + "/run/apertured"
        try folder.makeFolder("/run/apertured")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        try store.save(record)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o711)
        #expect(try store.load(gpu) == record)
    }

    private var path: String { "/run/apertured/\(gpu).json" }

    private func error(_ operation: String, _ errno: Errno, at path: String) -> RecordError {
        .file(operation: operation, path: path, errno: errno)
    }

    /// Another store's folder with a record in it, as this one would make both.
    private func elsewhere() throws -> TemporaryFolder {
        let other = try TemporaryFolder()
        try RecordStore(tree: FileTree(root: FilePath(other.path))).save(record)
        return other
    }

    @Test("A link in the place of the folder is not followed, though what it leads to would be accepted")
    func plantedFolder() throws {
        try store.save(record)
        let start = try folder.text(path)
        try folder.makeFolder("/elsewhere")
        try folder.move("/run/apertured", to: "/elsewhere/apertured")
        try folder.symlink("/run/apertured", destination: "../elsewhere/apertured")
        // With O_DIRECTORY a link is no folder to open(2).
        let refused = error("open", .notDirectory, at: RecordStore.folder)
        var changed = record
        changed.state = .releasing
        #expect(throws: refused) { try store.save(changed) }
        #expect(throws: refused) { try store.load(gpu) }
        #expect(throws: refused) { try store.remove(gpu) }
        #expect(throws: refused) { _ = try store.lock(within: 0) }
        #expect(try folder.text("/elsewhere/apertured/\(gpu).json") == start)
    }

    @Test("A link in the place of a record is not followed, though what it leads to would be accepted")
    func plantedRecord() throws {
        let other = try elsewhere()
        let start = try other.text(path)
        try store.save(record)
        try folder.remove(path)
        try folder.symlink(path, destination: other.path + path)
        #expect(throws: error("open", .tooManySymbolicLinkLevels, at: path)) { try store.load(gpu) }
        // A new record takes the link's place, and not that of what it leads to.
        var changed = record
        changed.state = .releasing
        try store.save(changed)
        #expect(try store.load(gpu) == changed)
        #expect(try other.text(path) == start)
    }

    @Test("A link in the place of the new file is not written through")
    func plantedNewFile() throws {
        let other = try elsewhere()
        let start = try other.text(path)
        try store.save(record)
        try folder.symlink("/run/apertured/.\(gpu).json.new", destination: other.path + path)
        var changed = record
        changed.state = .releasing
        try store.save(changed)
        #expect(try store.load(gpu) == changed)
        #expect(try other.text(path) == start)
    }

    @Test("A link in the place of the lock is not followed, though what it leads to would be accepted")
    func plantedLock() throws {
        let other = try elsewhere()
        try store.save(record)
        try folder.symlink("/run/apertured/lock", destination: other.path + path)
        #expect(throws: error("open", .tooManySymbolicLinkLevels, at: "/run/apertured/lock")) {
            _ = try store.lock(within: 0)
        }
    }

    @Test("A record that has another name elsewhere is not trusted, and one that is no file neither")
    func secondName() throws {
        try store.save(record)
        let other = folder.path + "/run/apertured/other"
        try FileManager.default.linkItem(atPath: folder.path + path, toPath: other)
        let refused = RecordError.untrusted(path: path, reason: "it is not a regular file, or has another name too")
        #expect(throws: refused) { try store.load(gpu) }
        try FileManager.default.removeItem(atPath: other)
        #expect(try store.load(gpu) == record)
        try folder.remove(path)
        try FileManager.default.createDirectory(
            atPath: folder.path + path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        #expect(throws: refused) { try store.load(gpu) }
    }

    @Test("A record that others may use is not trusted", arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
    func looseRecord(_ mode: Int) throws {
        try store.save(record)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder.path + path)
        let reason = "others may use it: its mode is \(String(mode, radix: 8))"
        #expect(throws: RecordError.untrusted(path: path, reason: reason)) { try store.load(gpu) }
    }

    @Test("A pipe in the place of the lock is no lock")
    func pipe() throws {
        try store.save(record)
        #expect(unsafe mkfifo(folder.path + "/run/apertured/lock", 0o600) == 0)
        let refused = RecordError.untrusted(
            path: "/run/apertured/lock", reason: "it is not a regular file, or has another name too")
        #expect(throws: refused) { _ = try store.lock(within: 0) }
    }

    @Test(
        "What belongs to another user is not trusted", .enabled(if: geteuid() == 0, "only root gives a file away"),
        arguments: ["", "/0000:01:00.0.json"])
    func otherUser(_ name: String) throws {
        try store.save(record)
        let place = "/run/apertured" + name
        #expect(unsafe lchown(folder.path + place, 65534, 0) == 0)
        let refused = RecordError.untrusted(path: place, reason: "it belongs to user 65534")
        #expect(throws: refused) { try store.load(gpu) }
    }

    @Test("A record is read up to a mebibyte, and not further")
    func size() throws {
        try store.save(record)
        let text = try folder.text(path)
        let room = 1 << 20
        for (length, isRead) in [(room, true), (room + 1, false)] {
            let file = try #require(FileHandle(forWritingAtPath: folder.path + path))
            try file.write(contentsOf: Data((text + String(repeating: " ", count: length - text.utf8.count)).utf8))
            try file.close()
            if isRead {
                #expect(try store.load(gpu) == record)
            } else {
                #expect(throws: RecordError.untrusted(path: path, reason: "it is larger than \(room) bytes")) {
                    try store.load(gpu)
                }
            }
        }
    }

    @Test("A record is not kept outside the root, where /run is a link")
    func plantedRun() throws {
        let elsewhere = try TemporaryFolder()
        try folder.symlink("/run", destination: elsewhere.path)
        #expect(throws: RecordError.self) { try store.save(record) }
        #expect(try store.load(gpu) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere.path).isEmpty)
        // Where it leads within the root, that is its place, as after chroot(2).
        try folder.remove("/run")
        try folder.makeFolder("/var/run")
        try folder.symlink("/run", destination: "/var/run")
        try store.save(record)
        #expect(try store.load(gpu) == record)
        #expect(folder.exists("/var/run/apertured/0000:01:00.0.json"))
    }

    @Test(
        "A record that names anything but the card's own devices is refused",
        arguments: [
            ("\"version\": 1", "\"version\": 3"), ("\"vfio-pci\"", "\"e1000\""),
            ("0000:01:00.0\",\n        \"driver", "0000:02:00.0\",\n        \"driver"),
            ("efi-framebuffer.0", "../../../etc"), ("\"efi-framebuffer\"", "\"e1000\""),
            ("\"amdgpu\"", "\"../amdgpu\""), ("\"amdgpu\"", "\"\""), ("\"claiming\"", "\"done\""),
            ("\"consoles\": [", "\"consoles\": [99999999999999999999"), ("\"ownsRange\": true", "\"ownsRange\": 1"),
            ("\"nvidia_drm\"", "\"ext4\""), ("\"nvidia_drm\"", "\"-f\""), ("{", "["),
            ("\"gpu\": \"0000:01:00.0\"", "\"gpu\": \"0000:01:00.1\""),
            ("efi-framebuffer.0", "serial8250"), ("\"amdgpu\"", "\".\""), ("\"amdgpu\"", "\"..\""),
            ("\"amdgpu\"", "\"\(String(repeating: "x", count: 65))\""), ("\"process\": 4711", "\"process\": 0"),
            ("\"process\": 4711", "\"process\": -1"), ("\"process\": 4711", "\"process\": 4294967297"),
            ("\"consoles\": [", "\"consoles\": [64, "), ("\"consoles\": [", "\"consoles\": [-1, "),
            ("\"consoles\": [", "\"consoles\": [\(String(repeating: "1, ", count: 256))"),
        ])
    func distrust(_ from: String, _ to: String) throws {
        try store.save(record)
        let path = "/run/apertured/0000:01:00.0.json"
        let text = try folder.text(path)
        let changed = text.replacingOccurrences(of: from, with: to)
        #expect(changed != text)
        let file = FileHandle(forWritingAtPath: folder.path + path)
        try file?.truncate(atOffset: 0)
        try file?.write(contentsOf: Data(changed.utf8))
        try file?.close()
        #expect(throws: RecordError.self) { try store.load(gpu) }
    }

    @Test(
        "The longest that can be is believed",
        arguments: [
            ("\"amdgpu\"", "\"\(String(repeating: "x", count: 64))\""), ("\"amdgpu\"", "\"...\""),
            ("\"process\": 4711", "\"process\": 1"), ("\"consoles\": [", "\"consoles\": [63, 0, "),
            ("\"consoles\": [", "\"consoles\": [\(String(repeating: "1, ", count: 255))"),
        ])
    func trust(_ from: String, _ to: String) throws {
        let text = String(decoding: RecordCodec.encode(record), as: UTF8.self)
        let changed = text.replacingOccurrences(of: from, with: to)
        #expect(changed != text)
        let read = try RecordCodec.decode(Array(changed.utf8))
        #expect(read != record)
        #expect(read.gpu == gpu)
    }

    @Test("Records are listed in the order of their addresses")
    func order() throws {
        let addresses = ["0000:21:00.0", "0000:01:00.1", "0001:01:00.0", "0000:01:00.0"]
        for address in addresses {
            var record = record
            record.gpu = try #require(PCIAddress(address))
            try store.save(record)
        }
        try folder.write("", to: "/run/apertured/lock")
        #expect(
            try store.recorded().map(\.description) == [
                "0000:01:00.0", "0000:01:00.1", "0000:21:00.0", "0001:01:00.0",
            ])
    }

    @Test("A record that says of each step whether it was done is read as before")
    func recordWithDone() throws {
        let text = String(decoding: RecordCodec.encode(record), as: UTF8.self)
        #expect(!text.contains("\"done\""))
        for isDone in [true, false] {
            let earlier = text.replacingOccurrences(
                of: "\"path\": \"/sys/y\",", with: "\"path\": \"/sys/y\", \"done\": \(isDone),")
            #expect(earlier != text)
            #expect(try RecordCodec.decode(Array(earlier.utf8)) == record)
        }
    }

    @Test("A record of before modules were unloaded names none")
    func earlierRecord() throws {
        let text = String(decoding: RecordCodec.encode(record), as: UTF8.self)
        let start = try #require(text.range(of: "\"unloadedModules\""))
        let end = try #require(text.range(of: "\"steps\""))
        let earlier = text.replacingCharacters(in: start.lowerBound..<end.lowerBound, with: "")
        var expected = record
        expected.unloadedModules = []
        #expect(try RecordCodec.decode(Array(earlier.utf8)) == expected)
    }

    @Test("A record cut short anywhere is refused, never half believed")
    func truncation() throws {
        let whole = RecordCodec.encode(record)
        for length in 0..<(whole.count - 2) {
            #expect(throws: RecordCodec.Failure.self) { try RecordCodec.decode(Array(whole[..<length])) }
        }
        #expect(try RecordCodec.decode(whole) == record)
    }

    @Test("A card has one guard, which others learn the name of, and which is forgotten when it ends")
    func oneGuard() throws {
        let tree = FileTree(root: FilePath(folder.path))
        #expect(!GuardLock.isHeld(for: gpu, in: tree))
        let lock = try GuardLock(of: gpu, in: tree, as: "apertured.service (pid 7)")
        #expect(GuardLock.isHeld(for: gpu, in: tree))
        #expect(throws: RecordError.locked(by: "apertured.service (pid 7)")) {
            _ = try GuardLock(of: gpu, in: tree, as: "another")
        }
        let other = try #require(PCIAddress("0000:02:00.0"))
        #expect(!GuardLock.isHeld(for: other, in: tree))
        _ = try GuardLock(of: other, in: tree, as: "another")
        _ = consume lock
        #expect(!GuardLock.isHeld(for: gpu, in: tree))
        _ = try GuardLock(of: gpu, in: tree, as: "the next")
        #expect(try store.recorded().isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + RecordStore.folder).isEmpty)
    }

    @Test("Guards that begin while others end, and remove the file, are never two")
    func guardsInTurn() throws {
        let tree = FileTree(root: FilePath(folder.path))
        let gpu = gpu
        let guards = Atomic(0)
        let most = Mutex(0)
        let ended = Atomic(0)
        let unexpected = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for _ in 0..<400 {
                do {
                    let lock = try GuardLock(of: gpu, in: tree, as: "thread \(thread)")
                    let count = guards.add(1, ordering: .sequentiallyConsistent).newValue
                    most.withLock { $0 = max($0, count) }
                    sched_yield()
                    guards.subtract(1, ordering: .sequentiallyConsistent)
                    ended.add(1, ordering: .relaxed)
                    _ = consume lock
                } catch RecordError.locked {
                    continue
                } catch {
                    unexpected.withLock { $0.append("\(error)") }
                }
            }
        }
        #expect(most.withLock(\.self) == 1)
        #expect(ended.load(ordering: .relaxed) > 8)
        #expect(unexpected.withLock(\.self).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + RecordStore.folder).isEmpty)
    }
}
