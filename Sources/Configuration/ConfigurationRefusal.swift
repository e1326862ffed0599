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
    /// The section that refuses.
    package let place: ConfigurationPlace
    /// What is the matter, in one sentence.
    package let message: String
    /// What the person can do.
    package let remedy: String
}

extension ConfigurationRefusal: CustomStringConvertible {
    package var description: String { "\(code.rawValue): \(place): \(message) \(remedy)" }
}
