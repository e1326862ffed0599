import Foundation
import Journal
import Testing

/// `apertured log` against a journald; only under Tests/with-journald.
@Suite(.timeLimit(.minutes(1)))
struct RealJournalLogTests {
    @Test func `one card's story is our lines and the service manager's, and no other card's`() throws {
        let unit = try #require(FieldName("UNIT"))
        let sender = try JournalSender()
        try sender.send(JournalEntry(.guardStarted, .info, "ours", [.init(.gpu, "0000:01:00.0")]))
        try sender.send(JournalEntry(.guardStarted, .info, "another card's", [.init(.gpu, "0000:02:00.0")]))
        try sender.send(JournalEntry(nil, .info, "systemd's", [.init(unit, "apertured@0000:01:00.0.service")]))
        try sender.send(JournalEntry(nil, .info, "another unit's", [.init(unit, "apertured@0000:02:00.0.service")]))
        try sender.send(JournalEntry(nil, .info, "the common guard's", [.init(unit, "apertured.service")]))
        // Written by journald for every entry so far, as it takes them in order.
        let sync = try Process.run(URL(filePath: "/usr/bin/journalctl"), arguments: ["--sync"])
        sync.waitUntilExit()
        let log = try CommandLine.run("log", "01:00.0", "--", "--no-pager", "--output=cat")
        #expect(log.status == 0, "\(log.errors)")
        #expect(log.output == "ours\nsystemd's\nthe common guard's\n")
    }
}
