/// Where a PCI function sits: domain, bus, device (slot) and function, `dddd:bb:dd.f` in the kernel's spelling
/// (`pci_setup_device()`: `"%04x:%02x:%02x.%d"`).
///
/// Domains go past 16 bits on real machines: Intel VMD numbers its own from 0x10000.
package struct PCIAddress: Hashable, Sendable {
    package let domain: UInt32
    package let bus: UInt8
    /// 0 to 31.
    package let device: UInt8
    /// 0 to 7.
    package let function: UInt8

    /// `nil` when the device is over 31 or the function over 7.
    package init?(domain: UInt32 = 0, bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        self.domain = domain
        self.bus = bus
        self.device = device
        self.function = function
    }

    /// Reads `0000:01:00.0`, or `01:00.0` for domain 0: 4 to 8 digits of domain, 2 of bus, 2 of device, 1 of function,
    /// hexadecimal in either case, and nothing else around them.
    package init?(_ text: some StringProtocol) {
        var numbers: [(value: UInt32, digits: Int)] = [(0, 0)]
        var separators: [UInt8] = []
        for byte in text.utf8 {
            if let digit = Hex.digit(byte) {
                let (value, digits) = numbers[numbers.count - 1]
                guard digits < 8 else { return nil }
                numbers[numbers.count - 1] = (value << 4 | UInt32(digit), digits + 1)
            } else {
                guard separators.count < 3 else { return nil }
                separators.append(byte)
                numbers.append((0, 0))
            }
        }
        let colon = UInt8(ascii: ":")
        let dot = UInt8(ascii: ".")
        switch separators {
        case [colon, colon, dot]:
            guard (4...8).contains(numbers[0].digits) else { return nil }
        case [colon, dot]:
            numbers.insert((0, 4), at: 0)
        default:
            return nil
        }
        guard numbers[1].digits == 2, numbers[2].digits == 2, numbers[3].digits == 1 else { return nil }
        self.init(
            domain: numbers[0].value,
            bus: UInt8(truncatingIfNeeded: numbers[1].value),
            device: UInt8(truncatingIfNeeded: numbers[2].value),
            function: UInt8(truncatingIfNeeded: numbers[3].value))
    }

    /// Whether both are functions of one slot: same domain, bus and device.
    package func sharesSlot(with other: PCIAddress) -> Bool {
        domain == other.domain && bus == other.bus && device == other.device
    }
}

extension PCIAddress: CustomStringConvertible {
    package var description: String {
        "\(Hex(domain, digits: 4, prefix: "")):\(Hex(bus, digits: 2, prefix: "")):"
            + "\(Hex(device, digits: 2, prefix: "")).\(function)"
    }
}

extension PCIAddress: Comparable {
    package static func < (left: PCIAddress, right: PCIAddress) -> Bool {
        (left.domain, left.bus, left.device, left.function) < (right.domain, right.bus, right.device, right.function)
    }
}
