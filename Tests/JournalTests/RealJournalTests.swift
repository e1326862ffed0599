import Foundation
import Journal
import Testing

/// Against a journald; only under Tests/with-journald.
@Suite(.timeLimit(.minutes(1)))
struct RealJournalTests {
    @Test(arguments: [0, 1_000_000])
    func `an entry comes back from the journal with its fields`(extra: Int) throws {
        let mark = UUID().uuidString
        let message = "test \(mark)\n" + String(repeating: "x", count: extra)
        let entry = JournalEntry(
            .guardStarted, .debug, message, [.init(.gpu, "ffff:ff:1f.7"), .init(.device, mark)])
        try JournalSender().send(entry)
        let found = try #require(try journalctl("APERTURED_DEVICE=\(mark)"))
        #expect(found["MESSAGE"] as? String == message)
        #expect(found["MESSAGE_ID"] as? String == MessageID.guardStarted.rawValue)
        #expect(found["PRIORITY"] as? String == "7")
        #expect(found["SYSLOG_IDENTIFIER"] as? String == "apertured")
        #expect(found["APERTURED_GPU"] as? String == "ffff:ff:1f.7")
        #expect(found["_PID"] as? String == "\(getpid())")
    }

    private func journalctl(_ match: String) throws -> [String: Any]? {
        for arguments in [["--sync"], ["--output=json", "--all", match]] {
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(filePath: "/usr/bin/journalctl")
            process.arguments = arguments
            process.standardOutput = pipe
            try process.run()
            let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            if !output.isEmpty { return try JSONSerialization.jsonObject(with: output) as? [String: Any] }
        }
        return nil
    }
}
