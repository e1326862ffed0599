package import Aperture

/// The parsed configuration files: apertured.conf(5).
package struct Configuration: Hashable, Sendable {
    /// The `[GPU]` sections in the order of the files; a later one takes precedence.
    package var sections: [GPUSection]
    /// The `[Metrics]` sections together.
    package var metrics = MetricsSection()
    /// The lines that were not understood.
    package var warnings: [ConfigurationWarning]

    /// A configuration from its parts; the default is an empty one, which allows every card.
    package init(sections: [GPUSection] = [], warnings: [ConfigurationWarning] = []) {
        self.sections = sections
        self.warnings = warnings
    }

    /// Parses the files in this order; later files take precedence.
    package init(_ files: [ConfigurationFile]) {
        var parser = ConfigurationParser()
        for file in files { parser.read(file) }
        self.init(sections: parser.sections, warnings: parser.warnings)
        metrics = parser.metrics
    }

    /// Whether the configuration allows one card.
    package enum Verdict: Hashable, Sendable {
        /// The card may be claimed with these options.
        case allowed(ClaimOptions)
        /// The card must not be touched; each refusal is one section's.
        case refused([Refusal])
    }

    /// Decides whether the card at an enabled address is the intended one, and what a claim may do with it.
    ///
    /// A unit is enabled for an address. Addresses change when cards are added, so sections describe the card.
    /// - A section *with* `Address=` pins that address: everything else in it must be true of the card there, else the
    ///   card is refused. It does not affect other addresses.
    /// - A section *without* `Address=` applies to the card that it matches. It must match no other card, unless it has
    ///   `Multiple=yes`: two identical cards cannot be told apart.
    /// - If there are sections without `Address=` and no section applies to the card, the card is refused: another card
    ///   has moved to the address.
    /// - A flawed section applies to no card. Every card that the readable part of it matches is refused.
    ///
    /// Without any section every card is allowed. For each key, the last applying section that has it decides.
    /// - Parameters:
    ///   - address: The address that the unit is enabled for.
    ///   - cards: All display functions of the machine.
    package func verdict(for address: PCIAddress, among cards: [CardFacts]) -> Verdict {
        let card = cards.first { $0.address == address }
        var options = ClaimOptions()
        var refusals: [Refusal] = []
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

    /// The cards that `Enabled=` gives to the one guard of several cards, in the order of their addresses: a card that a
    /// section with `Address=` names, there or not, and each that a section without it matches. The last such section that
    /// has the key decides. Whether the card may be claimed is ``verdict(for:among:)``.
    /// - Parameter cards: All display functions of the machine.
    package func enabled(among cards: [CardFacts]) -> [PCIAddress] {
        let addresses = Set(cards.map(\.address)).union(sections.compactMap(\.address))
        return addresses.sorted().filter { address in
            let card = cards.first { $0.address == address }
            let about = sections.last { section in
                guard section.isEnabled != nil else { return false }
                if let pin = section.address { return pin == address }
                return card.map(section.matches) ?? false
            }
            return about?.isEnabled == true
        }
    }

    private enum Relation {
        case applies
        case refuses(Refusal)
        /// The section has no address, and does not match the card at this address.
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
                Refusal(
                    .configurationInvalid, "\(flaw), and the section may be about the card at \(address).",
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
                Refusal(
                    .ambiguous, "\(section.place): the section matches the card at \(address), and also \(others).",
                    remedy: "Tell them apart with Path= or Address=, or say Multiple=yes."))
        }
        return .applies
    }

    private static func stranger(
        _ section: GPUSection, at address: PCIAddress, among cards: [CardFacts]
    ) -> Refusal {
        mismatch(
            section, "no section matches the card at \(address); this section looks for \(section.conditions).",
            fitting: cards.filter(section.matches))
    }

    private static func mismatch(
        _ section: GPUSection, _ message: String, fitting: [CardFacts] = []
    ) -> Refusal {
        let units = fitting.map { "apertured@\($0.address).service" }.joined(separator: ", ")
        return Refusal(
            .configurationMismatch, "\(section.place): \(message)",
            remedy: units.isEmpty
                ? "No other card fits either: correct the section, or disable the unit."
                : "A card that fits has moved: enable \(units) instead, or correct the section.")
    }
}

extension Refusal {
    /// The refusal of every card when the configuration cannot be read: it may forbid the card.
    package init(unreadableConfiguration error: some Error) {
        self.init(
            .configurationInvalid, "The configuration cannot be read: \(error).", remedy: "Correct or remove that file."
        )
    }
}

extension GPUSection {
    /// The section without its `Address=`.
    fileprivate var withoutAddress: GPUSection {
        var section = self
        section.address = nil
        return section
    }
}

/// A place in a configuration file.
package struct ConfigurationPlace: Hashable, Sendable {
    /// The file's path.
    package let file: String
    /// Counted from 1.
    package let line: Int

    /// - Parameter line: Counted from 1.
    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }
}

extension ConfigurationPlace: CustomStringConvertible {
    package var description: String { "\(file):\(line)" }
}

/// A line that is not understood, and how it is treated.
package struct ConfigurationWarning: Hashable, Sendable {
    /// The file and the line.
    package let place: ConfigurationPlace
    /// What is wrong, and the consequence; without a full stop.
    package let message: String

    /// - Parameter message: Without a full stop.
    package init(_ place: ConfigurationPlace, _ message: String) {
        self.place = place
        self.message = message
    }
}

extension ConfigurationWarning: CustomStringConvertible {
    package var description: String { "\(place): \(message)" }
}
