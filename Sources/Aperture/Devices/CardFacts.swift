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

/// The facts about a GPU that the configuration can name. A fact that could not be read is `nil`, and matches nothing.
package struct CardFacts: Hashable, Sendable {
    /// The function's PCI address.
    package var address: PCIAddress
    /// The sysfs files `vendor` and `device`.
    package var id: PCIIdentifier?
    /// The sysfs files `subsystem_vendor` and `subsystem_device`.
    package var subsystem: PCIIdentifier?
    /// The syspath without `/sys/devices/`: `pci0000:00/0000:00:01.0/0000:01:00.0`.
    package var path: String?
    /// Whether the firmware drew its screen there (`boot_vga`). Only class 0300 has such a file.
    package var isBootVGA: Bool

    /// - Parameter path: The syspath without `/sys/devices/`.
    package init(
        address: PCIAddress, id: PCIIdentifier?, subsystem: PCIIdentifier? = nil, path: String? = nil,
        isBootVGA: Bool = false
    ) {
        self.address = address
        self.id = id
        self.subsystem = subsystem
        self.path = path
        self.isBootVGA = isBootVGA
    }
}
