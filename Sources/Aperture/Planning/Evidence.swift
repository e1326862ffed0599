/// What one witness says of one platform framebuffer, asked about one GPU.
package struct Evidence: Hashable, Sendable {
    /// Where the witness puts the framebuffer.
    package enum Place: Hashable, Sendable {
        /// In this GPU's memory BARs; with the range it names, if it names one.
        case inside(AddressRange?)
        /// Somewhere else.
        case elsewhere
    }

    package let witness: Witness
    package let place: Place
    /// What it said, for a person: `efifb 0xc0000000-0xc03e7fff`.
    package let detail: String

    package init(witness: Witness, place: Place, detail: String) {
        self.witness = witness
        self.place = place
        self.detail = detail
    }

    package var isInside: Bool { place != .elsewhere }
}

extension Evidence: CustomStringConvertible {
    package var description: String {
        "\(witness.rawValue) says \(isInside ? "on this GPU" : "elsewhere") (\(detail))"
    }
}
