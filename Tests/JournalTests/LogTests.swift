import Fixtures
import Glibc
import Journal
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(1)))
struct LogTests {
    struct Case: Sendable {
        var wantsJournal = false
        var hasSocket = true
        var isTerminal = false
        var stream: String? = "8:42"
        var variables: [String: String] = [:]
        let destination: LogDestination
    }

    @Test(arguments: [
        // A service whose standard error is the journal.
        Case(variables: ["JOURNAL_STREAM": "8:42", "INVOCATION_ID": "1"], destination: .journal),
        Case(
            hasSocket: false, variables: ["JOURNAL_STREAM": "8:42", "INVOCATION_ID": "1"], destination: .prefixedLines),
        // The same, with the standard error redirected to a file or closed.
        Case(stream: "8:43", variables: ["JOURNAL_STREAM": "8:42", "INVOCATION_ID": "1"], destination: .plainLines),
        Case(stream: nil, variables: ["JOURNAL_STREAM": "8:42", "INVOCATION_ID": "1"], destination: .plainLines),
        Case(variables: ["JOURNAL_STREAM": "", "INVOCATION_ID": "1"], destination: .plainLines),
        // A service with StandardError=kmsg.
        Case(variables: ["INVOCATION_ID": "1"], destination: .prefixedLines),
        // StandardError=tty.
        Case(isTerminal: true, variables: ["INVOCATION_ID": "1"], destination: .plainLines),
        // A person, at a terminal or through a pipe.
        Case(isTerminal: true, destination: .plainLines),
        Case(destination: .plainLines),
        // Asked for.
        Case(wantsJournal: true, isTerminal: true, destination: .journal),
        Case(wantsJournal: true, hasSocket: false, destination: .prefixedLines),
    ])
    func `the log goes to the journal where the standard error does, or where it is wanted`(row: Case) {
        let destination = LogDestination.choose(
            wantsJournal: row.wantsJournal, hasSocket: row.hasSocket,
            standardError: StandardError(isTerminal: row.isTerminal, stream: row.stream),
            environment: Environment(row.variables))
        #expect(destination == row.destination)
    }

    @Test func `a descriptor is known by its device and inode`() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "/log")
        let file = try FileDescriptor.open(FilePath(folder.path + "/log"), .writeOnly)
        var status = stat()
        #expect(unsafe fstat(file.rawValue, &status) == 0)
        #expect(
            StandardError(of: file) == StandardError(isTerminal: false, stream: "\(status.st_dev):\(status.st_ino)"))
        try file.close()
        #expect(StandardError(of: FileDescriptor(rawValue: -1)).stream == nil)
    }

    /// What a log writes to its standard error.
    private func lines(_ body: (FileDescriptor) throws -> Void) throws -> String {
        let folder = try TemporaryFolder()
        let file = try FileDescriptor.open(
            FilePath(folder.path + "/stderr"), .writeOnly, options: .create, permissions: .ownerReadWrite)
        try body(file)
        try file.close()
        return try folder.text("/stderr")
    }

    @Test func `each destination has its form`() throws {
        let entry = JournalEntry(.claimRefused, .error, "no-iommu", about: "0000:01:00.0", isRefusal: true)
        for (destination, expected) in [
            (LogDestination.plainLines, "apertured: 0000:01:00.0: refused: no-iommu\n"),
            (.prefixedLines, "<3>0000:01:00.0: refused: no-iommu\n"),
            (.journal, "<3>0000:01:00.0: refused: no-iommu\n"),
        ] {
            let text = try lines { Log(to: destination, sender: nil, standardError: $0).write(entry) }
            #expect(text == expected)
        }
    }

    @Test func `what goes to the journal is not written on the standard error as well`() throws {
        let folder = try TemporaryFolder()
        let listener = try Listener(at: folder.path + "/socket")
        let sender = try JournalSender(path: folder.path + "/socket")
        let entry = JournalEntry(.released, .notice, "released")
        let text = try lines { Log(to: .journal, sender: sender, standardError: $0).write(entry) }
        #expect(text.isEmpty)
        #expect(try listener.receive().bytes == entry.encoded)
    }

    @Test func `an entry that the journal does not take is written as a line, with the reason`() throws {
        let folder = try TemporaryFolder()
        let sender = try JournalSender(path: folder.path + "/socket")
        let text = try lines {
            Log(to: .journal, sender: sender, standardError: $0).write(JournalEntry(.released, .notice, "released"))
        }
        #expect(text.hasPrefix("<5>released\n<4>cannot send to \(folder.path)/socket: "))
    }

    @Test func `what matters less than the threshold is dropped`() throws {
        let text = try lines { file in
            let log = Log(to: .plainLines, sender: nil, threshold: .warning, standardError: file)
            for priority in Priority.allCases { log.write(JournalEntry(nil, priority, "\(priority)")) }
        }
        #expect(text.split(separator: "\n").count == 5)
        #expect(text.hasSuffix("warning: warning\n"))
    }
}
