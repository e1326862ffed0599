import Foundation
import Report
import Testing

/// The journal of a report against a journald; only under Tests/with-journald.
@Suite(.timeLimit(.minutes(1)))
struct RealJournalReportTests {
    @Test func `the lines that match are there, without the host's name`() throws {
        for (field, text) in [("report", "of the report"), ("elsewhere", "of something else")] {
            let logger = try Process.run(
                URL(filePath: "/usr/bin/systemd-cat"), arguments: ["--identifier=\(field)", "echo", text])
            logger.waitUntilExit()
        }
        let sync = try Process.run(URL(filePath: "/usr/bin/journalctl"), arguments: ["--sync"])
        sync.waitUntilExit()
        let text = try JournalExcerpt.read(["SYSLOG_IDENTIFIER=report"])
        #expect(text.hasSuffix(": of the report\n"))
        #expect(!text.contains("something else"))
        #expect(!text.contains(ProcessInfo.processInfo.hostName))
    }
}
