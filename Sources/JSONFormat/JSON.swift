/// A JSON value (RFC 8259). Numbers are whole, and objects keep the order of their members, so that output is stable.
package indirect enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Int)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One name and value of an object.
    package struct Member: Hashable, Sendable {
        /// Any text; it is escaped when it is written.
        package let name: String
        /// What the name stands for.
        package let value: JSON

        /// A member of this name and value.
        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The text, or ``null`` without one.
    package static func string(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    /// An object of these members, in this order.
    package static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member($0.key, $0.value) })
    }

    /// The value as text, indented by two spaces, without a line feed at the end.
    package var text: String {
        var text: [UInt8] = []
        write(to: &text, indent: 0)
        return String(decoding: text, as: UTF8.self)
    }

    /// The value as one line, without a line feed.
    package var line: String {
        // No line feed of a string is left: they are escaped.
        text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined()
    }

    private func write(to text: inout [UInt8], indent: Int) {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += value ? "true".utf8 : "false".utf8
        case .number(let value): text += "\(value)".utf8
        case .string(let value): Self.quote(value, to: &text)
        case .array(let values):
            Self.block(values, "[", "]", to: &text, indent: indent) { value, text in
                value.write(to: &text, indent: indent + 1)
            }
        case .object(let members):
            Self.block(members, "{", "}", to: &text, indent: indent) { member, text in
                Self.quote(member.name, to: &text)
                text += ": ".utf8
                member.value.write(to: &text, indent: indent + 1)
            }
        }
    }

    private static func block<Element>(
        _ elements: [Element], _ open: Unicode.Scalar, _ close: Unicode.Scalar, to text: inout [UInt8], indent: Int,
        _ write: (Element, inout [UInt8]) -> Void
    ) {
        text.append(UInt8(ascii: open))
        for (index, element) in elements.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            beginLine(&text, indent: indent + 1)
            write(element, &text)
        }
        if !elements.isEmpty { beginLine(&text, indent: indent) }
        text.append(UInt8(ascii: close))
    }

    private static func beginLine(_ text: inout [UInt8], indent: Int) {
        text.append(UInt8(ascii: "\n"))
        for _ in 0..<(2 * indent) { text.append(UInt8(ascii: " ")) }
    }

    private static func quote(_ value: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""): text += "\\\"".utf8
            case UInt8(ascii: "\\"): text += "\\\\".utf8
            case UInt8(ascii: "\n"): text += "\\n".utf8
            case UInt8(ascii: "\r"): text += "\\r".utf8
            case UInt8(ascii: "\t"): text += "\\t".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                text += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
