internal import Glibc
package import SystemPackage

/// Writes entries to where they belong.
package struct Log: Sendable {
    package let destination: LogDestination
    /// Entries that matter less than this are dropped.
    package let threshold: Priority
    private let sender: JournalSender?
    private let standardError: FileDescriptor

    /// - Parameters:
    ///   - sender: The journal; without one, `journal` becomes prefixed lines.
    ///   - standardError: Another descriptor, for a test.
    package init(
        to destination: LogDestination, sender: JournalSender?, threshold: Priority = .info,
        standardError: FileDescriptor = .standardError
    ) {
        self.destination = destination
        self.threshold = threshold
        self.sender = sender
        self.standardError = standardError
    }

    /// The log of this process.
    /// - Parameter wantsJournal: Whether it goes to the journal wherever the standard error goes.
    package static func forProcess(wantsJournal: Bool = false, threshold: Priority = .info) -> Log {
        let destination = LogDestination.choose(
            wantsJournal: wantsJournal,
            hasSocket: unsafe access(JournalSender.socketPath, F_OK) == 0,
            standardError: StandardError(), environment: .process)
        guard destination == .journal else { return Log(to: destination, sender: nil, threshold: threshold) }
        do {
            return Log(to: .journal, sender: try JournalSender(), threshold: threshold)
        } catch {
            let log = Log(to: .prefixedLines, sender: nil, threshold: threshold)
            log.write(JournalEntry(nil, .warning, "\(error); writing lines instead"))
            return log
        }
    }

    /// Writes the entry. An entry that journald does not take becomes a line: its fields are lost, its message is not.
    package func write(_ entry: JournalEntry) {
        guard entry.priority <= threshold else { return }
        switch destination {
        case .plainLines:
            put(entry.plainLines)
        case .prefixedLines:
            put(entry.prefixedLines)
        case .journal:
            do {
                guard let sender else { return put(entry.prefixedLines) }
                try sender.send(entry)
            } catch {
                put(entry.prefixedLines)
                put(JournalEntry(nil, .warning, "\(error); wrote a line instead").prefixedLines)
            }
        }
    }

    /// In one write, so that the lines of two processes do not mix.
    private func put(_ lines: String) {
        let bytes = Array(lines.utf8)
        // There is no one left to tell when the standard error fails.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(standardError.rawValue, $0.baseAddress, $0.count) }
    }
}
