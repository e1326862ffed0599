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
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    private func write(to text: inout String, indent: Int) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let value): text += "\(value)"
        case .string(let value): Self.quote(value, to: &text)
        case .array(let values):
            Self.block(values, "[", "]", to: &text, indent: indent) { value, text in
                value.write(to: &text, indent: indent + 1)
            }
        case .object(let members):
            Self.block(members, "{", "}", to: &text, indent: indent) { member, text in
                Self.quote(member.name, to: &text)
                text += ": "
                member.value.write(to: &text, indent: indent + 1)
            }
        }
    }

    private static func block<Element>(
        _ elements: [Element], _ open: String, _ close: String, to text: inout String, indent: Int,
        _ write: (Element, inout String) -> Void
    ) {
        text += open
        for (index, element) in elements.enumerated() {
            text += index == 0 ? "\n" : ",\n"
            for _ in 0...indent { text += "  " }
            write(element, &text)
        }
        if !elements.isEmpty {
            text += "\n"
            for _ in 0..<indent { text += "  " }
        }
        text += close
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        // Nearly every string needs no escapes, and is copied whole.
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            text += value
            text += "\""
            return
        }
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\0"..<" ":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
