package import Aperture

/// A section `[GPU]`: which card it is about, and what it says of it.
package struct GPUSection: Hashable, Sendable {
    /// Where its header stands.
    package let place: ConfigurationPlace

    // MARK: - Which card: all that are given must be true of it

    package var address: PCIAddress?
    package var id: PCIIdentifier?
    package var subsystem: PCIIdentifier?
    package var path: PathPattern?
    package var isBootVGA: Bool?

    /// The first line that should say which card, and does not. Nobody knows what the section is about then: it matches
    /// nothing, and a card that it might have been about is refused.
    package var flaw: ConfigurationWarning?

    // MARK: - What to do with it: `nil` leaves it to the sections before

    package var residue: ClaimOptions.Residue?
    package var allowedNativeDrivers: Set<String>?
    package var onlyFunction: Bool?
    package var wholeSlot: Bool?
    package var addedFunctions: Set<PCIAddress>?
    package var driver: String?
    package var unloadsNative: Bool?

    /// Whether it may match several cards.
    package var allowsMultiple = false

    package init(at place: ConfigurationPlace) {
        self.place = place
    }

    /// Whether everything that the section says of its card is true of this one.
    package func matches(_ card: CardFacts) -> Bool {
        differences(from: card).isEmpty
    }

    /// What the section says of its card that is not true of this one, as a person reads it.
    func differences(from card: CardFacts) -> [String] {
        var differences: [String] = []
        if let address, address != card.address { differences.append("Address=\(address), and it is \(card.address)") }
        if let id, id != card.id { differences.append("Id=\(id), and it is \(Self.name(card.id))") }
        if let subsystem, subsystem != card.subsystem {
            differences.append("Subsystem=\(subsystem), and it is \(Self.name(card.subsystem))")
        }
        if let path, card.path.map({ path.matches($0) }) != true {
            differences.append("Path=\(path), and it is \(card.path ?? "unreadable")")
        }
        if let isBootVGA, isBootVGA != card.isBootVGA {
            differences.append("BootVGA=\(isBootVGA ? "yes" : "no"), and it is \(card.isBootVGA ? "" : "not ")so")
        }
        return differences
    }

    private static func name(_ id: PCIIdentifier?) -> String { id?.description ?? "unreadable" }

    /// The keys that say which card, as they would be written.
    package var conditions: String {
        let keys = [
            address.map { "Address=\($0)" }, id.map { "Id=\($0)" }, subsystem.map { "Subsystem=\($0)" },
            path.map { "Path=\($0)" }, isBootVGA.map { "BootVGA=\($0 ? "yes" : "no")" },
        ]
        return keys.compactMap(\.self).joined(separator: " ")
    }

    /// Puts what the section says over what the ones before it said.
    func apply(to options: inout ClaimOptions) {
        if let residue { options.residue = residue }
        if let allowedNativeDrivers { options.allowedNativeDrivers = allowedNativeDrivers }
        if let onlyFunction { options.onlyFunction = onlyFunction }
        if let wholeSlot { options.wholeSlot = wholeSlot }
        if let addedFunctions { options.addedFunctions = addedFunctions }
        // Empty for the best match again.
        if let driver { options.driver = driver.isEmpty ? nil : driver }
        if let unloadsNative { options.unloadsNative = unloadsNative }
    }
}
