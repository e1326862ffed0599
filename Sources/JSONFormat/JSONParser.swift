/// Reads JSON (RFC 8259) from bytes, as far as a record needs it: whole numbers only, no duplicate names.
package struct JSONParser {
    /// Text that is not JSON, or not of the form that a record has.
    package struct Failure: Error, Hashable, Sendable {
        /// The byte at which it was found, counted from 0.
        package let offset: Int
        /// What should have been there, as a noun: `a comma or the closing bracket`.
        package let expected: String
    }

    /// Deeper nesting is refused: a record has five levels, and deep recursion would overflow the stack.
    private static let deepest = 32

    private let bytes: [UInt8]
    private var position = 0

    /// The value that the bytes hold, with nothing but white space around it.
    package static func parse(_ bytes: [UInt8]) throws(Failure) -> JSON {
        var parser = JSONParser(bytes: bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.failure("the end") }
        return value
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private mutating func value(depth: Int) throws(Failure) -> JSON {
        guard depth < Self.deepest else { throw failure("less nesting") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    // MARK: - Containers

    private mutating func object(_ depth: Int) throws(Failure) -> JSON {
        var members: [JSON.Member] = []
        position += 1
        if try closes(UInt8(ascii: "}"), first: true) { return .object(members) }
        repeat {
            skipSpace()
            let name = try string()
            guard !members.contains(where: { $0.name == name }) else { throw failure("a name only once") }
            skipSpace()
            try take(UInt8(ascii: ":"), "a colon")
            members.append(JSON.Member(name, try value(depth: depth + 1)))
        } while try !closes(UInt8(ascii: "}"), first: false)
        return .object(members)
    }

    private mutating func array(_ depth: Int) throws(Failure) -> JSON {
        var values: [JSON] = []
        position += 1
        if try closes(UInt8(ascii: "]"), first: true) { return .array(values) }
        repeat {
            values.append(try value(depth: depth + 1))
        } while try !closes(UInt8(ascii: "]"), first: false)
        return .array(values)
    }

    /// Moves past the closing bracket and returns true; otherwise moves past the comma, unless this is the first
    /// element, and returns false.
    private mutating func closes(_ bracket: UInt8, first: Bool) throws(Failure) -> Bool {
        skipSpace()
        if peek == bracket {
            position += 1
            return true
        }
        if !first { try take(UInt8(ascii: ","), "a comma or the closing bracket") }
        return false
    }

    // MARK: - Scalars

    private mutating func word(_ word: StaticString, _ value: JSON) throws(Failure) -> JSON {
        let text = Array("\(word)".utf8)
        guard bytes[position...].starts(with: text) else { throw failure("true, false or null") }
        position += text.count
        return value
    }

    private mutating func number() throws(Failure) -> Int {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard let number = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else {
            position = start
            throw failure("a value")
        }
        return number
    }

    private mutating func string() throws(Failure) -> String {
        try take(UInt8(ascii: "\""), "a quotation mark")
        var text: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw failure("UTF-8") }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw failure("no control character")
            default: text.append(byte)
            }
        }
        throw failure("a closing quotation mark")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Failure) {
        let byte = peek
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte ?? 0)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "u"):
            let end = min(position + 4, bytes.count)
            let digits = String(decoding: bytes[position..<end], as: UTF8.self)
            // The writer escapes only control characters, so it writes no surrogates.
            guard digits.utf8.count == 4, digits.allSatisfy(\.isHexDigit), let code = UInt32(digits, radix: 16),
                let scalar = Unicode.Scalar(code)
            else { throw failure("four digits of a scalar") }
            position = end
            text += Array(String(Character(scalar)).utf8)
        default: throw failure("an escape")
        }
    }

    // MARK: - Bytes

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
    }

    private mutating func take(_ byte: UInt8, _ what: String) throws(Failure) {
        guard peek == byte else { throw failure(what) }
        position += 1
    }

    private func failure(_ expected: String) -> Failure {
        Failure(offset: position, expected: expected)
    }
}
