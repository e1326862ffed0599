import Aperture
import Fixtures
import Foundation
import KernelFiles
import Record
import SystemPackage
import Testing

struct ClaimCountersTests {
    private let folder: TemporaryFolder
    private let store: CounterStore
    private let gpu: PCIAddress
    private let path = "/run/apertured/counters/0000:01:00.0.json"

    init() throws {
        folder = try TemporaryFolder()
        store = CounterStore(tree: FileTree(root: FilePath(folder.path)))
        gpu = try #require(PCIAddress("0000:01:00.0"))
    }

    private func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: folder.path + name)[.posixPermissions] as? Int
    }

    @Test func `what was counted comes back, and nothing was counted before`() throws {
        #expect(!store.exists)
        #expect(try store.load(gpu) == ClaimCounters())
        try store.update(gpu, within: 0) { $0.fail("in-use") }
        try store.update(gpu, within: 0) { $0.fail("step-failed") }
        try store.update(gpu, within: 0) { $0.fail("in-use") }
        #expect(store.exists)
        #expect(try store.load(gpu).hasLastFailed == true)
        #expect(try store.load(gpu).milliseconds == nil)
        try store.update(gpu, within: 0) { $0.succeed(after: 1050) }
        try store.update(gpu, within: 0) { $0.succeed(after: nil) }
        let counters = try store.load(gpu)
        #expect(counters.claims == 5)
        #expect(counters.failures == ["in-use": 2, "step-failed": 1])
        #expect(counters.hasLastFailed == false)
        #expect(counters.milliseconds == 1050)
        let other = try #require(PCIAddress("0000:02:00.0"))
        #expect(try store.load(other) == ClaimCounters())
    }

    @Test func `the counters are for their owner alone, and leave no other file`() throws {
        try store.update(gpu, within: 0) { $0.succeed(after: 1) }
        #expect(try mode("/run/apertured") == 0o700)
        #expect(try mode("/run/apertured/counters") == 0o700)
        #expect(try mode(path) == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/run/apertured/counters")
        #expect(names.sorted() == ["0000:01:00.0.json", "lock"])
        // They are no record of a claim.
        #expect(try RecordStore(tree: FileTree(root: FilePath(folder.path))).recorded().isEmpty)
    }

    @Test(arguments: ["", "{", "[]", #"{"version": 2}"#, #"{"version": 1, "claims": "x"}"#])
    func `a file that is none of the program's is said, and replaced by the next claim`(text: String) throws {
        try store.update(gpu, within: 0) { $0.succeed(after: 1) }
        let file = try FileHandle(forWritingTo: URL(filePath: folder.path + path))
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: Data(text.utf8))
        #expect {
            _ = try store.load(gpu)
        } throws: {
            "\($0)".hasPrefix("\(path) is refused: ")
        }
        try store.update(gpu, within: 0) { $0.fail("in-use") }
        #expect(try store.load(gpu).claims == 1)
    }

    @Test func `a file that others may write is not trusted, and stays`() throws {
        try store.update(gpu, within: 0) { $0.succeed(after: 1) }
        try FileManager.default.setAttributes([.posixPermissions: 0o622], ofItemAtPath: folder.path + path)
        let refused = RecordError.untrusted(path: path, reason: "others may use it: its mode is 622")
        #expect(throws: refused) { try store.load(gpu) }
        #expect(throws: refused) { try store.update(gpu, within: 0) { $0.fail("in-use") } }
    }

    @Test func `a folder is published below one that others may pass through and cannot read`() throws {
        let tree = FileTree(root: FilePath(folder.path))
        try RecordFolder(tree: tree, makes: true).publish("metrics")
        #expect(try mode("/run/apertured") == 0o711)
        #expect(try mode("/run/apertured/metrics") == 0o755)
        // Records and counters still trust the outer folder.
        try store.update(gpu, within: 0) { $0.succeed(after: 1) }
        #expect(try RecordStore(tree: tree).load(gpu) == nil)
        #expect(try mode("/run/apertured/counters") == 0o700)
    }

    @Test(arguments: [0o755, 0o750, 0o710 | 0o020, 0o777])
    func `a folder that others may read or write is not trusted`(mode: Int) throws {
        let tree = FileTree(root: FilePath(folder.path))
        try RecordFolder(tree: tree, makes: true).publish("metrics")
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder.path + "/run/apertured")
        #expect(
            throws: RecordError.untrusted(
                path: "/run/apertured", reason: "others may use it: its mode is \(String(mode, radix: 8))")
        ) { _ = try RecordStore(tree: tree).load(gpu) }
    }
}
