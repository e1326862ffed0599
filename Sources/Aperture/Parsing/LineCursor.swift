/// A position in a text that is read line by line. It knows its line and column, for error messages.
///
/// A line ends with a line feed or at the end of the text; a carriage return before either belongs to the line's end.
struct LineCursor {
    private let bytes: [UInt8]
    private let source: String
    private let digits = Self.digits
    private var offset = 0
    private var line = 1
    private var lineStart = 0

    // A table: branches for each digit took a third of the time of reading /proc/iomem.
    /// The value of each byte as a hexadecimal digit, or 255.
    private static let digits = (0...UInt8.max).map { Hex.digit($0) ?? .max }
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// - Parameters:
    ///   - bytes: The whole text.
    ///   - source: The text's name in errors.
    init(_ bytes: [UInt8], source: String) {
        self.bytes = bytes
        self.source = source
    }

    /// Moves to the next byte that is not a space, a tab or a line's end; false when there is none.
    mutating func findLine() -> Bool {
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
                offset += 1
            } else if byte == Self.lineFeed {
                skipLineFeed()
            } else if byte == Self.carriageReturn, offset + 1 == bytes.count || bytes[offset + 1] == Self.lineFeed {
                offset += 1
            } else {
                return true
            }
        }
        return false
    }

    /// Moves past this ASCII character, which must come next.
    @inline(__always)
    mutating func skip(_ character: Unicode.Scalar) throws(ParseError) {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else {
            throw error(expected: "\"\(character)\"")
        }
        offset += 1
    }

    /// Reads 1 to 16 hexadecimal digits in either case.
    @inline(__always)
    mutating func number() throws(ParseError) -> UInt64 {
        let first = offset
        var end = first
        var value: UInt64 = 0
        while end < bytes.count {
            let digit = digits[Int(bytes[end])]
            guard digit < 16 else { break }
            value = value << 4 | UInt64(digit)
            end += 1
        }
        offset = end
        guard end > first else { throw error(expected: "a hexadecimal number") }
        guard end - first <= 16 else {
            offset = first + 16
            throw error(expected: "at most 16 digits")
        }
        return value
    }

    /// Reads `0x` and a number.
    mutating func prefixedNumber() throws(ParseError) -> UInt64 {
        try skip("0")
        try skip("x")
        return try number()
    }

    /// Reads the rest of the line. It may be empty where a line feed follows; an empty rest at the end of the text is
    /// an error, as the text was cut off. Bytes that are not UTF-8 become U+FFFD.
    mutating func text() throws(ParseError) -> String {
        let first = offset
        var end = first
        while end < bytes.count, bytes[end] != Self.lineFeed { end += 1 }
        offset = end
        let isCutOff = end == bytes.count
        if end > first, bytes[end - 1] == Self.carriageReturn { end -= 1 }
        guard end > first || !isCutOff else { throw error(expected: "a name") }
        let text = unsafe bytes.withUnsafeBufferPointer {
            let text = unsafe UnsafeBufferPointer(rebasing: $0[first..<end])
            return unsafe String(unsafeUninitializedCapacity: text.count) { unsafe $0.initialize(fromContentsOf: text) }
        }
        if !isCutOff { skipLineFeed() }
        return text
    }

    /// Moves past the line's end, which must come next.
    mutating func endLine() throws(ParseError) {
        if offset < bytes.count, bytes[offset] == Self.carriageReturn { offset += 1 }
        guard offset < bytes.count else { return }
        guard bytes[offset] == Self.lineFeed else { throw error(expected: "the end of the line") }
        skipLineFeed()
    }

    /// The error for this position, or for another column of this line.
    @inline(never)
    func error(expected: String, column: Int? = nil) -> ParseError {
        ParseError(source: source, line: line, column: column ?? self.column, expected: expected)
    }

    /// The column of the next byte, counted from 1, in bytes.
    var column: Int { offset - lineStart + 1 }

    private mutating func skipLineFeed() {
        offset += 1
        line += 1
        lineStart = offset
    }
}

/// Text that is not in the form that the kernel writes, and where.
package struct ParseError: Error, Hashable, Sendable {
    /// What was read, as a person names it: a path, or the name of the format.
    package let source: String
    /// Counted from 1.
    package let line: Int
    /// Counted from 1, in bytes; one past the line's last byte where the line ends too early.
    package let column: Int
    /// What should have been there, as a noun: `a hexadecimal number`.
    package let expected: String

    /// An error at a position whose line and column count from 1.
    package init(source: String, line: Int, column: Int, expected: String) {
        self.source = source
        self.line = line
        self.column = column
        self.expected = expected
    }
}

extension ParseError: CustomStringConvertible {
    package var description: String { "\(source), line \(line), column \(column): expected \(expected)" }
}
