/// Why the configuration does not allow a card.
package struct ConfigurationRefusal: Hashable, Sendable {
    /// Stable names, for scripts and the journal.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        /// The card is another than the configuration says.
        case mismatch = "configuration-mismatch"
        /// A section that should be about one card is about several.
        case ambiguous
        /// A section that may be about the card cannot be understood.
        case invalid = "configuration-invalid"
    }

    package let code: Code
    /// The section that refuses; `nil` where that is a whole file, which the message names.
    package let place: ConfigurationPlace?
    /// What is the matter, in one sentence.
    package let message: String
    /// What the person can do.
    package let remedy: String
}

extension ConfigurationRefusal: CustomStringConvertible {
    package var description: String {
        [code.rawValue + ":", place.map { "\($0):" }, message, remedy].compactMap(\.self).joined(separator: " ")
    }
}

extension ConfigurationRefusal {
    /// For a configuration that cannot be read: nobody knows what it forbids.
    package init(unreadable error: some Error) {
        code = .invalid
        place = nil
        message = "The configuration cannot be read: \(error)."
        remedy = "Mend or remove that file."
    }
}
