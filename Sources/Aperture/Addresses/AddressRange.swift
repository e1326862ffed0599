/// A run of physical addresses, in bytes: half-open, `start..<end`, and never empty.
///
/// The kernel's `aperture.c` and `struct resource` both stop at the top of a 64-bit space: an inclusive end of
/// `0xffffffffffffffff` is legal, and the matching half-open end, 2^64, does not fit in 64 bits. The range therefore
/// stores its last byte, and widens the end to 128 bits. The kernel skips zero-sized BARs before it compares anything,
/// so the initialisers return `nil` for an empty range.
package struct AddressRange: Hashable, Sendable {
    /// The first byte.
    package let start: UInt64

    /// The last byte, inclusive, as sysfs `resource` and /proc/iomem print it.
    package let last: UInt64

    /// The range of an inclusive pair, as sysfs and /proc/iomem give it; `nil` when `last` lies before `start`.
    package init?(start: UInt64, last: UInt64) {
        guard start <= last else { return nil }
        self.start = start
        self.last = last
    }

    /// The range of a start and a size in bytes; `nil` when the size is zero or the range would pass 2^64.
    package init?(start: UInt64, size: UInt64) {
        guard size > 0 else { return nil }
        let (last, overflow) = start.addingReportingOverflow(size - 1)
        guard !overflow else { return nil }
        self.start = start
        self.last = last
    }

    /// The half-open range; `nil` when it is empty. The whole space cannot be written this way: see ``all``.
    package init?(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return nil }
        start = range.lowerBound
        last = range.upperBound - 1
    }

    /// Every address, 2^64 bytes.
    package static let all = AddressRange(unchecked: 0, .max)

    private init(unchecked start: UInt64, _ last: UInt64) {
        self.start = start
        self.last = last
    }

    /// One past the last byte: 2^64 for a range that reaches the top.
    package var end: UInt128 { UInt128(last) + 1 }

    /// The size in bytes, 1 to 2^64.
    package var size: UInt128 { end - UInt128(start) }

    /// Whether the two share a byte: `base1 < end2 && end1 > base2` of the kernel's `aperture.c`, on last bytes so
    /// that nothing overflows at the top.
    package func overlaps(_ other: AddressRange) -> Bool {
        start <= other.last && last >= other.start
    }

    /// Whether every byte of `other` lies in this range; a range contains itself.
    package func contains(_ other: AddressRange) -> Bool {
        start <= other.start && other.last <= last
    }

    /// Whether the address lies in this range.
    package func contains(_ address: UInt64) -> Bool {
        start <= address && address <= last
    }

    /// The bytes that both share, or `nil`.
    package func intersection(_ other: AddressRange) -> AddressRange? {
        AddressRange(start: max(start, other.start), last: min(last, other.last))
    }
}

extension AddressRange: Comparable {
    /// The order of a walk over nested ranges: by start, and an enclosing range before what it encloses.
    package static func < (left: AddressRange, right: AddressRange) -> Bool {
        left.start != right.start ? left.start < right.start : left.last > right.last
    }
}

extension AddressRange: CustomStringConvertible {
    /// `0xc0000000-0xc0ffffff`: lowercase, inclusive, as the kernel's `%pR` prints it.
    package var description: String { "\(Hex(start))-\(Hex(last))" }
}

/// A number that prints as lowercase hexadecimal with `0x`, padded with zeros to a least number of digits.
package struct Hex: CustomStringConvertible, Sendable {
    private let value: UInt64
    private let digits: Int
    private let prefix: String

    /// - Parameters:
    ///   - value: The number.
    ///   - digits: The least number of digits.
    ///   - prefix: What is printed before the digits.
    package init(_ value: some UnsignedInteger & FixedWidthInteger, digits: Int = 1, prefix: String = "0x") {
        self.value = UInt64(value)
        self.digits = digits
        self.prefix = prefix
    }

    package var description: String {
        var text = Array(prefix.utf8)
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the digits in ASCII, without the prefix.
    func append(to text: inout [UInt8]) {
        let width = max(digits, (UInt64.bitWidth - value.leadingZeroBitCount + 3) / 4)
        for place in stride(from: width - 1, through: 0, by: -1) {
            let digit = place < 16 ? UInt8(truncatingIfNeeded: value >> (4 * UInt64(place))) & 0xf : 0
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// Reads `0x`, digits, and a line feed, which may be missing; `nil` for anything else, and for a number that does
    /// not fit.
    package static func number(_ bytes: [UInt8]) -> UInt64? {
        let end = bytes.last == UInt8(ascii: "\n") ? bytes.count - 1 : bytes.count
        guard end > 2, bytes[0] == UInt8(ascii: "0"), bytes[1] == UInt8(ascii: "x") else { return nil }
        var number: UInt64 = 0
        for index in 2..<end {
            guard let digit = digit(bytes[index]), number <= UInt64.max >> 4 else { return nil }
            number = number << 4 | UInt64(digit)
        }
        return number
    }

    /// The value of one hexadecimal digit in ASCII, or `nil`.
    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
