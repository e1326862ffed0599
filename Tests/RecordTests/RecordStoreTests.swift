import Aperture
import Fixtures
import Foundation
import Record
import Sysfs
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
        return ClaimRecord(
            gpu: gpu, state: .claiming, prior: state, start: state, wasClaimed: true, nativeDrivers: ["bochs-drm"],
            unloadedModules: ["nvidia_drm", "nvidia"],
            marks: [.init(action: "unbind-driver", target: "x", path: "/sys/y", value: "a\n\"b\"")],
            stuckWrite: .init(path: "/sys/y", process: 4711, started: .max), device: .max)
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
        let fileMode = try manager.attributesOfItem(
            atPath: folder.path + "/run/apertured/0000:01:00.0.json")[.posixPermissions]
        #expect((folderMode as? Int) == 0o700)
        #expect((fileMode as? Int) == 0o600)
        #expect(try manager.contentsOfDirectory(atPath: folder.path + "/run/apertured") == ["0000:01:00.0.json"])
    }

    @Test("A folder that others may use is not trusted")
    func loosePermissions() throws {
        try store.save(record)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o770], ofItemAtPath: folder.path + "/run/apertured")
        #expect(throws: RecordError.self) { try store.load(gpu) }
        #expect(throws: RecordError.self) { try store.save(record) }
    }

    @Test("A planted link in the place of the folder, a record or the new file is not followed")
    func plantedLinks() throws {
        let elsewhere = try TemporaryFolder()
        try elsewhere.write("precious", to: "/victim")
        try folder.makeFolder("/run")
        try folder.symlink("/run/apertured", destination: elsewhere.path)
        #expect(throws: RecordError.self) { try store.save(record) }
        try folder.remove("/run/apertured")
        try store.save(record)
        try folder.remove("/run/apertured/0000:01:00.0.json")
        try folder.symlink("/run/apertured/0000:01:00.0.json", destination: elsewhere.path + "/victim")
        #expect(throws: RecordError.self) { try store.load(gpu) }
        try folder.symlink("/run/apertured/.0000:01:00.0.json.new", destination: elsewhere.path + "/victim")
        try store.save(record)
        #expect(try store.load(gpu) == record)
        #expect(try elsewhere.text("/victim") == "precious")
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
}
