/// Why the configuration does not allow a card.
package struct ConfigurationRefusal: Hashable, Sendable {
    /// Stable names, for scripts and the journal.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        /// The card is not the one that the configuration describes.
        case mismatch = "configuration-mismatch"
        /// A section without `Multiple=yes` matches several cards.
        case ambiguous
        /// A section that may be about the card, or a whole file, cannot be understood.
        case invalid = "configuration-invalid"
    }

    /// The kind of refusal, stable for scripts.
    package let code: Code
    /// The section that refuses; `nil` for a file that cannot be read, which the message names.
    package let place: ConfigurationPlace?
    /// The reason, in one sentence.
    package let message: String
    /// What the administrator can do, in one sentence.
    package let remedy: String
}

extension ConfigurationRefusal: CustomStringConvertible {
    package var description: String {
        [code.rawValue + ":", place.map { "\($0):" }, message, remedy].compactMap(\.self).joined(separator: " ")
    }
}

extension ConfigurationRefusal {
    /// The refusal of every card when the configuration cannot be read: it may forbid the card.
    package init(unreadable error: some Error) {
        code = .invalid
        place = nil
        message = "The configuration cannot be read: \(error)."
        remedy = "Correct or remove that file."
    }
}
