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
        let text = String(value, radix: 16)
        return prefix + String(repeating: "0", count: max(0, digits - text.count)) + text
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
