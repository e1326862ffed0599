/// Where a PCI function sits: domain, bus, device (slot) and function, `dddd:bb:dd.f` in the kernel's spelling
/// (`pci_setup_device()`: `"%04x:%02x:%02x.%d"`).
///
/// Domains go past 16 bits on real machines: Intel VMD numbers its own from 0x10000.
package struct PCIAddress: Hashable, Sendable {
    /// The PCI segment, up to 32 bits.
    package let domain: UInt32
    /// 0 to 255.
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
    /// hexadecimal in either case, and nothing else around them. A domain has more than 4 digits only where its number
    /// needs them: the kernel knows no device `00000:01:00.0`.
    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    /// As above, from the text in ASCII.
    private init?(_ text: [UInt8]) {
        // Read from the end: function, device and bus have a fixed width, and what is left is the domain.
        var end = text.count
        func take(_ least: Int, _ most: Int) -> UInt32? {
            var (value, digits) = (UInt32(0), 0)
            while digits < most, end > 0, let digit = Hex.digit(text[end - 1]) {
                value |= UInt32(digit) << (4 * UInt32(digits))
                digits += 1
                end -= 1
            }
            return digits >= least ? value : nil
        }
        func take(_ separator: Unicode.Scalar) -> Bool {
            guard end > 0, text[end - 1] == UInt8(ascii: separator) else { return false }
            end -= 1
            return true
        }
        guard
            let function = take(1, 1), take("."), let device = take(2, 2), take(":"), let bus = take(2, 2)
        else { return nil }
        var domain: UInt32 = 0
        if take(":") {
            let digits = end
            guard let value = take(4, 8), digits == 4 || value >> (4 * UInt32(min(digits, 8) - 1)) != 0 else {
                return nil
            }
            domain = value
        }
        guard end == 0 else { return nil }
        self.init(
            domain: domain, bus: UInt8(truncatingIfNeeded: bus), device: UInt8(truncatingIfNeeded: device),
            function: UInt8(truncatingIfNeeded: function))
    }

    /// Whether both are functions of one slot: same domain, bus and device.
    package func sharesSlot(with other: PCIAddress) -> Bool {
        domain == other.domain && bus == other.bus && device == other.device
    }
}

extension PCIAddress: CustomStringConvertible {
    package var description: String {
        // A plan names its devices often.
        var text: [UInt8] = []
        text.reserveCapacity(16)
        Hex(domain, digits: 4).append(to: &text)
        text.append(UInt8(ascii: ":"))
        Hex(bus, digits: 2).append(to: &text)
        text.append(UInt8(ascii: ":"))
        Hex(device, digits: 2).append(to: &text)
        text.append(UInt8(ascii: "."))
        Hex(function).append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}

extension PCIAddress: Comparable {
    package static func < (left: PCIAddress, right: PCIAddress) -> Bool {
        (left.domain, left.bus, left.device, left.function) < (right.domain, right.bus, right.device, right.function)
    }
}
