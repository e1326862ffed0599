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
