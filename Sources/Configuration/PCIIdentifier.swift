internal import Aperture

/// The identifier of a device or of its board: a vendor's number and that vendor's number for it, `10de:1c82`.
package struct PCIIdentifier: Hashable, Sendable {
    /// The number that the PCI-SIG gave the vendor.
    package let vendor: UInt16
    /// The vendor's number for the device or board.
    package let device: UInt16

    /// An identifier from its two numbers.
    package init(vendor: UInt16, device: UInt16) {
        self.vendor = vendor
        self.device = device
    }

    /// Parses two numbers of four hexadecimal digits, in either case, with a colon between; `nil` for any other text.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, let vendor = Self.number(parts[0]), let device = Self.number(parts[1]) else {
            return nil
        }
        self.init(vendor: vendor, device: device)
    }

    private static func number(_ digits: some Collection<UInt8>) -> UInt16? {
        // `UInt16(_:radix:)` would accept a plus sign.
        guard digits.count == 4, !digits.contains(UInt8(ascii: "+")) else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}

extension PCIIdentifier: CustomStringConvertible {
    package var description: String {
        "\(Hex(vendor, digits: 4, prefix: "")):\(Hex(device, digits: 4, prefix: ""))"
    }
}
