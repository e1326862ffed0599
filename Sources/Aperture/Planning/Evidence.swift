/// What one witness says about a platform framebuffer's place, seen from one GPU.
package struct Evidence: Hashable, Sendable {
    /// Where the witness puts the framebuffer.
    package enum Place: Hashable, Sendable {
        /// In this GPU's memory BARs, with the range that the witness names, or `nil` if it names none.
        case inside(AddressRange?)
        /// Somewhere else.
        case elsewhere
    }

    /// Who says it.
    package let witness: Witness
    /// Where the framebuffer is, as the witness says.
    package let place: Place
    /// What the witness said, for a person: `efifb 0xc0000000-0xc03e7fff`.
    package let detail: String

    /// One statement of one witness.
    package init(witness: Witness, place: Place, detail: String) {
        self.witness = witness
        self.place = place
        self.detail = detail
    }

    /// Whether the witness puts the framebuffer on this GPU.
    package var isInside: Bool { place != .elsewhere }
}

extension Evidence: CustomStringConvertible {
    package var description: String {
        "\(witness.rawValue) says \(isInside ? "on this GPU" : "elsewhere") (\(detail))"
    }
}
