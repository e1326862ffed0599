import Fixtures
import Foundation
import Journal
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(1)))
struct JournalSenderTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/socket" }

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func `a small entry is one datagram`() throws {
        let listener = try Listener(at: path)
        let entry = JournalEntry(.released, .notice, "released", [.init(.gpu, "0000:01:00.0")])
        try JournalSender(path: path).send(entry)
        let datagram = try listener.receive()
        #expect(datagram.bytes == entry.encoded)
        #expect(datagram.file == nil)
        #expect(!listener.hasDatagram)
    }

    @Test(arguments: [300_000, 5_000_000])
    func `an entry that no datagram holds comes as a sealed file`(size: Int) throws {
        let listener = try Listener(at: path)
        let entry = JournalEntry(.claimFailed, .error, String(repeating: "stack\n", count: size / 6))
        try JournalSender(path: path).send(entry)
        let datagram = try listener.receive()
        #expect(datagram.bytes.isEmpty)
        let file = try #require(datagram.file)
        #expect(file.bytes == entry.encoded)
        // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE: with one less, journald reads nothing.
        #expect(file.seals & 0xf == 0xf)
        #expect(!listener.hasDatagram)
    }

    @Test func `sending leaves no file in memory behind`() throws {
        let listener = try Listener(at: path)
        let sender = try JournalSender(path: path)
        for _ in 0..<20 {
            try sender.send(JournalEntry(nil, .info, String(repeating: "x", count: 300_000)))
            _ = try listener.receive()
        }
        let files = FileManager.default
        let names = try files.contentsOfDirectory(atPath: "/proc/self/fd").filter {
            // Another test's descriptor may go while it is looked at.
            let target = try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
            return target?.hasPrefix("/memfd:apertured-journal") == true
        }
        // Those of the test that runs beside this one.
        #expect(names.count < 10)
    }

    @Test func `a journal that comes back is found again`() throws {
        let sender = try JournalSender(path: path)
        #expect(throws: JournalError(.send, path, .noSuchFileOrDirectory)) {
            try sender.send(JournalEntry(nil, .info, "nobody listens"))
        }
        let listener = try Listener(at: path)
        try sender.send(JournalEntry(nil, .info, "now"))
        #expect(try listener.receive().text.hasPrefix("MESSAGE=now\n"))
    }

    @Test func `a journal that takes nothing is waited for, but not for ever`() throws {
        let listener = try Listener(at: path)
        let sender = try JournalSender(path: path)
        let began = ContinuousClock.now
        #expect(throws: JournalError(.send, path, .resourceTemporarilyUnavailable)) {
            // net.unix.max_dgram_qlen is 10 by default, and 512 under systemd.
            for number in 0..<5000 { try sender.send(JournalEntry(nil, .info, "\(number)")) }
        }
        #expect(ContinuousClock.now - began < .seconds(20))
        #expect(listener.hasDatagram)
    }

    @Test func `a path that fits in no address is an error, not a shorter path`() throws {
        let long = "/tmp/" + String(repeating: "x", count: 120)
        #expect(throws: JournalError(.send, long, .fileNameTooLong)) {
            try JournalSender(path: long).send(JournalEntry(nil, .info, "x"))
        }
    }

    @Test func `an error says what was tried, where, and the errno`() {
        let error = JournalError(.send, "/run/systemd/journal/socket", .connectionRefused)
        #expect(error.description == "cannot send to /run/systemd/journal/socket: Connection refused (errno 111)")
    }
}
