/// Where the log goes, and in which form.
package enum LogDestination: Hashable, Sendable {
    /// Entries with their fields.
    case journal
    /// Lines on the standard error that begin with `<N>`.
    case prefixedLines
    /// Lines on the standard error for a person.
    case plainLines

    /// Chooses:
    /// 1. the journal, where the caller wants it;
    /// 2. the journal, where the standard error is a stream of journald's: `JOURNAL_STREAM` names it (systemd.exec(5)
    ///    has services compare it, as the variable is inherited past a redirection); prefixed lines where journald's
    ///    socket is out of reach, as journald reads the prefixes from its streams as well;
    /// 3. prefixed lines, where systemd runs this process (`INVOCATION_ID`) and connected it to something else than the
    ///    journal, such as the kernel's log;
    /// 4. plain lines: a terminal, a pipe, a file that someone redirected to.
    ///
    /// - Parameters:
    ///   - wantsJournal: Whether the caller asks for the journal.
    ///   - hasSocket: Whether journald's socket is there.
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
