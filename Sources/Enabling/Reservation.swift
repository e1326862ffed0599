package import Aperture
package import Configuration

/// A line of the list that goes into an initramfs: a GPU to reserve, and what must be true of the card that is there.
/// packaging/initramfs/reserve reads it.
///
/// The conditions are the facts of the card that was there when the image was made, if the configuration allowed it
/// then. They are at least as strict as the configuration. A card that meets not all of them is left to the service,
/// which decides anew.
package struct Reservation: Hashable, Sendable {
    /// The GPU's address.
    package let address: PCIAddress
    /// The driver that the GPU is reserved for.
    package let driver: String
    /// The driver's module, as modprobe knows it.
    package let module: String
    private let conditions: [String]

    /// Why there is no reservation for an enabled GPU.
    package struct Omission: Error, Hashable, Sendable {
        /// The reason, as a whole sentence.
        package let reason: String

        /// - Parameter reason: A whole sentence.
        package init(reason: String) {
            self.reason = reason
        }
    }

    /// The reservation of an enabled GPU.
    /// - Parameters:
    ///   - cards: All display functions of the machine.
    ///   - driver: The driver that a claim would bind.
    /// - Throws: When the configuration does not allow the card, or it is not known which card is there.
    package init(
        of address: PCIAddress, among cards: [CardFacts], by configuration: Configuration, driver: String,
        module: String
    ) throws(Omission) {
        if case .refused(let refusals) = configuration.verdict(for: address, among: cards), let first = refusals.first {
            throw Omission(reason: "\(first)")
        }
        guard let card = cards.first(where: { $0.address == address }) else {
            throw Omission(reason: "There is no display device at \(address).")
        }
        guard let id = card.id, let path = card.path else {
            throw Omission(reason: "It could not be read which card is at \(address).")
        }
        self.address = address
        self.driver = driver
        self.module = module
        let asksForScreen = configuration.sections.contains { section in
            section.isBootVGA != nil && (section.address ?? address) == address && section.matches(card)
        }
        conditions = [
            "id=\(id)", card.subsystem.map { "subsystem=\($0)" }, "path=\(path)",
            asksForScreen ? "boot-vga=\(card.isBootVGA ? "yes" : "no")" : nil,
        ].compactMap(\.self)
    }

    /// The line, without its end.
    package var line: String {
        (["gpu=\(address)", "driver=\(driver)", "module=\(module)"] + conditions).joined(separator: " ")
    }
}
