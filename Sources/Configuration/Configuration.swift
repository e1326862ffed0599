package import Aperture

/// What the administrator wrote: sections `[GPU]`, in the order they count.
package struct Configuration: Hashable, Sendable {
    package var sections: [GPUSection]
    package var warnings: [ConfigurationWarning]

    package init(sections: [GPUSection] = [], warnings: [ConfigurationWarning] = []) {
        self.sections = sections
        self.warnings = warnings
    }

    /// Reads the files; what a later one says goes over what an earlier one said.
    package init(_ files: [ConfigurationFile]) {
        var parser = ConfigurationParser()
        for file in files { parser.read(file) }
        self.init(sections: parser.sections, warnings: parser.warnings)
    }

    /// What the configuration says of one card.
    package enum Verdict: Hashable, Sendable {
        case allowed(ClaimOptions)
        case refused([ConfigurationRefusal])
    }

    /// Decides whether the card at an enabled address is the one that was meant, and what may be done with it.
    ///
    /// A unit is enabled for an address, and addresses move when cards are added; sections say what else must be true.
    /// - A section *with* `Address=` pins that address: everything else that it says must be true of the card there,
    ///   else the card is refused. It says nothing of other addresses.
    /// - A section *without* `Address=` looks for its card. It applies to the card if it matches it, and then it must
    ///   match no other, unless it has `Multiple=yes`: twins cannot be told apart by what they are.
    /// - Sections without `Address=` name the cards that are meant. Where there are some and no section at all applies to
    ///   the card, it is another card that moved to the address, and is refused.
    /// - A flawed section applies to nothing, and every card that it might be about, by what of it can be read, is
    ///   refused.
    ///
    /// Without any section every card is allowed. The sections that apply say what may be done, each key by the last that
    /// has it.
    /// - Parameters:
    ///   - address: The address that the unit is enabled for.
    ///   - cards: All display functions of the machine.
    package func verdict(for address: PCIAddress, among cards: [CardFacts]) -> Verdict {
        let card = cards.first { $0.address == address }
        var options = ClaimOptions()
        var refusals: [ConfigurationRefusal] = []
        var applies = false
        var strangers: [GPUSection] = []
        for section in sections {
            switch Self.relation(of: section, to: card, at: address, among: cards) {
            case .applies:
                section.apply(to: &options)
                applies = true
            case .refuses(let refusal): refusals.append(refusal)
            case .seeksAnother: strangers.append(section)
            case .none: break
            }
        }
        if refusals.isEmpty, !applies {
            refusals = strangers.map { Self.stranger($0, at: address, among: cards) }
        }
        return refusals.isEmpty ? .allowed(options) : .refused(refusals)
    }

    private enum Relation {
        case applies
        case refuses(ConfigurationRefusal)
        /// It has no address, and its card is not the one at this address.
        case seeksAnother
        case none
    }

    private static func relation(
        of section: GPUSection, to card: CardFacts?, at address: PCIAddress, among cards: [CardFacts]
    ) -> Relation {
        if let pin = section.address, pin != address { return .none }
        if let flaw = section.flaw {
            guard card.map(section.matches) ?? true else { return .none }
            return .refuses(
                ConfigurationRefusal(
                    code: .invalid, place: flaw.place,
                    message: "\(flaw.message), and the section may be about the card at \(address).",
                    remedy: "Correct the line."))
        }
        if section.address != nil {
            guard let card else {
                return .refuses(mismatch(section, "there is no display device at \(address)."))
            }
            let differences = section.differences(from: card).joined(separator: "; ")
            guard !differences.isEmpty else { return .applies }
            return .refuses(
                mismatch(
                    section, "the card at \(address) is not the one that was meant: \(differences).",
                    fitting: cards.filter(section.withoutAddress.matches)))
        }
        guard let card, section.matches(card) else { return .seeksAnother }
        let twins = cards.filter { section.matches($0) && $0 != card }
        guard twins.isEmpty || section.allowsMultiple else {
            let others = twins.map(\.address.description).joined(separator: ", ")
            return .refuses(
                ConfigurationRefusal(
                    code: .ambiguous, place: section.place,
                    message: "the section matches the card at \(address), and also \(others).",
                    remedy: "Tell them apart with Path= or Address=, or say Multiple=yes."))
        }
        return .applies
    }

    private static func stranger(
        _ section: GPUSection, at address: PCIAddress, among cards: [CardFacts]
    ) -> ConfigurationRefusal {
        mismatch(
            section, "the card at \(address) is none that a section matches; this one looks for \(section.conditions).",
            fitting: cards.filter(section.matches))
    }

    private static func mismatch(
        _ section: GPUSection, _ message: String, fitting: [CardFacts] = []
    ) -> ConfigurationRefusal {
        let units = fitting.map { "apertured@\($0.address).service" }.joined(separator: ", ")
        return ConfigurationRefusal(
            code: .mismatch, place: section.place, message: message,
            remedy: units.isEmpty
                ? "No other card fits either: correct the section, or disable the unit."
                : "A card that fits has moved: enable \(units) instead, or correct the section.")
    }
}

extension GPUSection {
    /// What it says of its card beside where it is.
    fileprivate var withoutAddress: GPUSection {
        var section = self
        section.address = nil
        return section
    }
}
