internal import Glibc
package import SystemPackage

/// Writes entries to the journal or to the standard error.
package struct Log: Sendable {
    /// Where entries go.
    package let destination: LogDestination
    /// Less urgent entries than this are dropped.
    package let threshold: Priority
    private let sender: JournalSender?
    private let standardError: FileDescriptor

    /// - Parameters:
    ///   - sender: For the journal. Without a sender, `journal` becomes prefixed lines.
    ///   - standardError: The descriptor for lines; a test passes its own.
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
    /// - Parameter wantsJournal: Whether to use the journal even when the standard error is connected to something
    ///   else.
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

    /// Writes the entry. If journald does not accept it, its message is written as a line and its fields are lost.
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

    /// Writes in one call, so that the lines of two processes do not mix.
    private func put(_ lines: String) {
        let bytes = Array(lines.utf8)
        // A failure of the standard error cannot be reported anywhere.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(standardError.rawValue, $0.baseAddress, $0.count) }
    }
}
