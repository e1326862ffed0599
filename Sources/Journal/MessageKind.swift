/// What a message for a person is. At a terminal every message is a line of this form, and nothing else makes one:
///
///     apertured: SUBJECT: KIND: TEXT
///
/// The subject is the GPU that the message is about; it is left out where there is none. A ``note`` has no kind.
package enum MessageKind: String, Hashable, Sendable, CaseIterable {
    /// Something failed.
    case error = "error: "
    /// Something was refused, and nothing was written. The text begins with the refusal's code.
    case refusal = "refused: "
    /// Something is not as it should be, or will be missed, and the program goes on.
    case warning = "warning: "
    /// What is done, and how it ended.
    case note = ""
    /// What `--verbose` adds.
    case debug = "debug: "

    /// The kind of a message with this priority that is no refusal.
    package init(_ priority: Priority) {
        self =
            switch priority {
            case .emergency, .alert, .critical, .error: .error
            case .warning: .warning
            case .notice, .info: .note
            case .debug: .debug
            }
    }

    /// The message's lines, each with its line feed; more than one where the text has line feeds.
    /// - Parameter subject: A GPU's address.
    package func lines(_ text: String, about subject: String? = nil) -> String {
        let subject = subject.map { "\($0): " } ?? ""
        return text.split(separator: "\n").map { "\(JournalEntry.identifier): \(subject)\(rawValue)\($0)\n" }.joined()
    }
}
