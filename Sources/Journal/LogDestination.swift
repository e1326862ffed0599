/// Where the log goes, and in which form.
package enum LogDestination: Hashable, Sendable {
    /// The journal: entries with their fields.
    case journal
    /// The standard error: lines that begin with the priority, `<N>`.
    case prefixedLines
    /// The standard error: lines for a person.
    case plainLines

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
