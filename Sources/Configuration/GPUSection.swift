package import Aperture

/// A section `[GPU]`: the conditions that its card must meet, and the options for a claim of it.
package struct GPUSection: Hashable, Sendable {
    /// Where the section's header is.
    package let place: ConfigurationPlace

    // MARK: - Conditions: `nil` sets none; a card must meet all the others

    /// `Address=`.
    package var address: PCIAddress?
    /// `Id=`.
    package var id: PCIIdentifier?
    /// `Subsystem=`.
    package var subsystem: PCIIdentifier?
    /// `Path=`, below `/sys/devices`.
    package var path: PathPattern?
    /// `BootVGA=`.
    package var isBootVGA: Bool?

    /// The first condition that is not understood. It is then unknown which card is meant, so the section applies to no
    /// card, and every card that meets the other conditions is refused.
    package var flaw: ConfigurationWarning?

    // MARK: - Options: `nil` keeps what earlier sections set

    /// `Residue=`; a bad value is `refuse`.
    package var residue: ClaimOptions.Residue?
    /// `AllowNative=`, modules' names.
    package var allowedNativeDrivers: Set<String>?
    /// `OnlyFunction=`; a bad value is true.
    package var onlyFunction: Bool?
    /// `WholeSlot=`; a bad value is false.
    package var wholeSlot: Bool?
    /// `Function=`.
    package var addedFunctions: Set<PCIAddress>?
    /// `Driver=`; empty for the best match.
    package var driver: String?
    /// `Unload=`; a bad value is false.
    package var unloadsNative: Bool?
    /// `Stop=`, in the order of the file, each once.
    package var stoppableUnits: [String]?

    /// `Enabled=`: whether the one guard of several cards takes the card; `nil` keeps what earlier sections said. A bad value
    /// is false.
    package var isEnabled: Bool?

    /// `Multiple=`: whether the section may match several cards.
    package var allowsMultiple = false

    /// A section without keys, which matches every card.
    /// - Parameter place: Where its header is.
    package init(at place: ConfigurationPlace) {
        self.place = place
    }

    /// Whether the card meets every condition.
    package func matches(_ card: CardFacts) -> Bool {
        differences(from: card).isEmpty
    }

    /// The conditions that the card does not meet, as phrases for a message.
    func differences(from card: CardFacts) -> [String] {
        var differences: [String] = []
        if let address, address != card.address { differences.append("Address=\(address), but it is \(card.address)") }
        if let id, id != card.id { differences.append("Id=\(id), but it is \(Self.name(card.id))") }
        if let subsystem, subsystem != card.subsystem {
            differences.append("Subsystem=\(subsystem), but it is \(Self.name(card.subsystem))")
        }
        if let path, card.path.map({ path.matches($0) }) != true {
            differences.append("Path=\(path), but it is \(card.path ?? "unreadable")")
        }
        if let isBootVGA, isBootVGA != card.isBootVGA {
            differences.append("BootVGA=\(isBootVGA ? "yes" : "no"), but it is \(card.isBootVGA ? "yes" : "no")")
        }
        return differences
    }

    private static func name(_ id: PCIIdentifier?) -> String { id?.description ?? "unreadable" }

    /// The conditions as they are written in the file, separated by spaces.
    package var conditions: String {
        let keys = [
            address.map { "Address=\($0)" }, id.map { "Id=\($0)" }, subsystem.map { "Subsystem=\($0)" },
            path.map { "Path=\($0)" }, isBootVGA.map { "BootVGA=\($0 ? "yes" : "no")" },
        ]
        return keys.compactMap(\.self).joined(separator: " ")
    }

    /// Overrides the options with those that the section sets.
    func apply(to options: inout ClaimOptions) {
        if let residue { options.residue = residue }
        if let allowedNativeDrivers { options.allowedNativeDrivers = allowedNativeDrivers }
        if let onlyFunction { options.onlyFunction = onlyFunction }
        if let wholeSlot { options.wholeSlot = wholeSlot }
        if let addedFunctions { options.addedFunctions = addedFunctions }
        // An empty value chooses the best match again.
        if let driver { options.driver = driver.isEmpty ? nil : driver }
        if let unloadsNative { options.unloadsNative = unloadsNative }
        if let stoppableUnits { options.stoppableUnits = stoppableUnits }
    }
}
