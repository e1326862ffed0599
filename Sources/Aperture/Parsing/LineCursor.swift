/// A place in a text of lines. It knows its line and column for the case that something else stands there than should.
///
/// Lines end with a line feed or with the text, and a carriage return in front of either belongs to the end.
struct LineCursor {
    private let bytes: [UInt8]
    private let source: String
    private let digits = Self.digits
    private var offset = 0
    private var line = 1
    private var lineStart = 0

    // A table, as a branch for each digit takes a third of the time of reading /proc/iomem.
    /// The value of each byte as a hexadecimal digit, or 255.
    private static let digits = (0...UInt8.max).map { Hex.digit($0) ?? .max }
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// - Parameters:
    ///   - bytes: The whole text.
    ///   - source: What errors call it.
    init(_ bytes: [UInt8], source: String) {
        self.bytes = bytes
        self.source = source
    }

    /// Goes on to the next byte that is no space, tab or end of line; false when there is none.
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

    /// Reads this one ASCII character.
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

    /// Reads the rest of the line, which may be empty when a line feed follows; a text that stops here was cut off.
    /// Bytes that are no UTF-8 become U+FFFD.
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

    /// Reads the end of the line.
    mutating func endLine() throws(ParseError) {
        if offset < bytes.count, bytes[offset] == Self.carriageReturn { offset += 1 }
        guard offset < bytes.count else { return }
        guard bytes[offset] == Self.lineFeed else { throw error(expected: "the end of the line") }
        skipLineFeed()
    }

    /// The error for this place, or for a given column of this line.
    @inline(never)
    func error(expected: String, column: Int? = nil) -> ParseError {
        ParseError(source: source, line: line, column: column ?? self.column, expected: expected)
    }

    /// Counted from 1, in bytes.
    var column: Int { offset - lineStart + 1 }

    private mutating func skipLineFeed() {
        offset += 1
        line += 1
        lineStart = offset
    }
}
