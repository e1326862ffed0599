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

    /// The log of this process as one JSON object a line on the standard output.
    package static func json(threshold: Priority = .info) -> Log {
        Log(to: .json, sender: nil, threshold: threshold, standardError: .standardOutput)
    }

    /// Writes the entry. If journald does not accept it, its message is written as a line and its fields are lost.
    package func write(_ entry: JournalEntry) {
        guard entry.priority <= threshold else { return }
        switch destination {
        case .plainLines:
            put(entry.plainLines)
        case .json:
            put(entry.json(at: .now) + "\n")
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

/// Where the log goes, and in which form.
package enum LogDestination: Hashable, Sendable {
    /// The journal: entries with their fields.
    case journal
    /// The standard error: lines that begin with the priority, `<N>`.
    case prefixedLines
    /// The standard error: lines for a person.
    case plainLines
    /// A descriptor, mostly the standard output: one JSON object a line, for what collects a container's output.
    case json

    /// Chooses a destination:
    /// 1. the journal, if the caller wants it;
    /// 2. the journal, if the standard error is one of journald's streams. `JOURNAL_STREAM` names the stream, and a
    ///    service has to compare it (systemd.exec(5)), because a redirection does not unset the variable;
    /// 3. prefixed lines, if systemd runs this process (`INVOCATION_ID`) with the standard error connected to something
    ///    else, such as the kernel's log;
    /// 4. plain lines for a terminal, a pipe or a file.
    ///
    /// In cases 1 and 2 prefixed lines replace the journal when journald's socket is missing: journald reads the
    /// prefixes from its streams too.
    ///
    /// - Parameters:
    ///   - wantsJournal: Whether the caller asks for the journal.
    ///   - hasSocket: Whether journald's socket exists.
    package static func choose(
        wantsJournal: Bool, hasSocket: Bool, standardError: StandardError, environment: Environment
    ) -> LogDestination {
        if wantsJournal { return hasSocket ? .journal : .prefixedLines }
        if let stream = environment["JOURNAL_STREAM"] {
            guard stream == standardError.stream else { return .plainLines }
            return hasSocket ? .journal : .prefixedLines
        }
        return !standardError.isTerminal && environment["INVOCATION_ID"] != nil ? .prefixedLines : .plainLines
    }
}

/// What the standard error is connected to.
package struct StandardError: Hashable, Sendable {
    /// Whether it is a terminal.
    package var isTerminal: Bool
    /// `st_dev` and `st_ino` in the form of `JOURNAL_STREAM`: two decimal numbers with a colon between; `nil` when the
    /// descriptor is closed.
    package var stream: String?

    /// - Parameter stream: In the form of `JOURNAL_STREAM`.
    package init(isTerminal: Bool, stream: String?) {
        self.isTerminal = isTerminal
        self.stream = stream
    }

    /// Examines a descriptor, by default the process's standard error.
    package init(of descriptor: FileDescriptor = .standardError) {
        isTerminal = isatty(descriptor.rawValue) == 1
        var status = stat()
        stream = unsafe fstat(descriptor.rawValue, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : nil
    }
}

/// Environment variables, by name. systemd passes information to a service in them (systemd.exec(5), "Environment
/// Variables Set or Propagated by the Service Manager").
package struct Environment: Sendable {
    private let lookUp: @Sendable (String) -> String?

    /// An environment that holds these variables and nothing else.
    package init(_ variables: [String: String]) {
        lookUp = { variables[$0] }
    }

    private init(lookUp: @escaping @Sendable (String) -> String?) {
        self.lookUp = lookUp
    }

    /// This process's environment; each lookup reads it again.
    package static let process = Environment { name in
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// A variable's value; `nil` when it is not set.
    package subscript(name: String) -> String? { lookUp(name) }
}
