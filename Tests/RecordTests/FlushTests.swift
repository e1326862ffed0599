import Aperture
import CCalls
import Fixtures
import KernelFiles
import Record
import SystemPackage
import Testing

/// What a power cut, or a kill, would find.
@Suite("Flushing")
struct FlushTests {
    private let folder: TemporaryFolder
    private let store: RecordStore
    private let gpu: PCIAddress
    private let name = "0000:01:00.0.json"

    init() throws {
        folder = try TemporaryFolder()
        store = RecordStore(tree: FileTree(root: FilePath(folder.path)))
        gpu = try #require(PCIAddress("0000:01:00.0"))
    }

    private func record(_ state: ClaimRecord.State) -> ClaimRecord {
        let prior = PriorState(functions: [], framebuffers: [], consoles: [])
        return ClaimRecord(gpu: gpu, state: state, prior: prior, start: prior)
    }

    /// What is called meanwhile.
    private func calls(_ work: () throws -> Void) rethrows -> [String] {
        ccalls_begin()
        defer { ccalls_begin() }
        try work()
        return unsafe String(cString: ccalls_log()).split(separator: "\n").map(String.init)
    }

    @Test("A record is flushed before it takes its name, and the folder after it")
    func save() throws {
        for state in [ClaimRecord.State.claiming, .claimed] {
            let calls = try calls { try store.save(record(state)) }
            #expect(
                calls == [
                    "unlink .\(name).new", "fsync .\(name).room", "rename .\(name).room \(name)", "fsync apertured",
                ])
        }
    }

    @Test("A folder is flushed that has lost a record")
    func remove() throws {
        try store.save(record(.claimed))
        #expect(try calls { try store.remove(gpu) } == ["unlink \(name)", "unlink .\(name).room", "fsync apertured"])
    }

    @Test("A record that cannot be flushed leaves the one before it")
    func failingFile() throws {
        try store.save(record(.claiming))
        ccalls_begin()
        ccalls_fail_fsync(0, Errno.ioError.rawValue)
        let refused = RecordError.file(
            operation: "write", path: "/run/apertured/.\(name).room", errno: .ioError)
        #expect(throws: refused) { try store.save(record(.claimed)) }
        ccalls_begin()
        #expect(try store.load(gpu) == record(.claiming))
        // What is left of it is in nobody's way.
        try store.save(record(.claimed))
        #expect(try store.load(gpu) == record(.claimed))
    }

    @Test("A folder that cannot be flushed is said", arguments: [true, false])
    func failingFolder(_ isSaving: Bool) throws {
        try store.save(record(.claiming))
        ccalls_begin()
        ccalls_fail_fsync(isSaving ? 1 : 0, Errno.noSpace.rawValue)
        let refused = RecordError.file(operation: "flush", path: "/run/apertured", errno: .noSpace)
        #expect(throws: refused) {
            if isSaving { try store.save(record(.claimed)) } else { try store.remove(gpu) }
        }
        ccalls_begin()
    }
}
