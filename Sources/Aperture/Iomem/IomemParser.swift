/// /proc/iomem: every reserved range of physical addresses, one per line (`r_show()` in kernel/resource.c).
package enum Iomem {
    /// Reads all lines, in their order, in O(n) of the bytes.
    ///
    /// A line is white space, `START-END : NAME`, and a line feed: 1 to 16 hexadecimal digits each, an inclusive end
    /// that is not before the start, and one space on each side of the colon. The white space is spaces and tabs and
    /// has no meaning (see ``IomemTree``). The name is everything after the first ` : `. It may contain ` : ` itself,
    /// bytes that are not UTF-8 become U+FFFD, and it may be empty, as drivers can register an empty name. A carriage
    /// return before the line feed is not part of it. The last line may lack its line feed, but then its name may not
    /// be empty: the text was cut off. Blank lines are skipped.
    ///
    /// Any other line is an error, as it may hide an entry.
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - source: The file's name in errors.
    package static func parse(_ bytes: [UInt8], source: String = "/proc/iomem") throws(ParseError) -> [IomemEntry] {
        var entries: [IomemEntry] = []
        // Few lines are shorter than 32 bytes: the array need not grow.
        entries.reserveCapacity(bytes.count / 32)
        var cursor = LineCursor(bytes, source: source)
        while cursor.findLine() {
            let start = try cursor.number()
            try cursor.skip("-")
            let column = cursor.column
            guard let range = AddressRange(start: start, last: try cursor.number()) else {
                throw cursor.error(expected: "an end not before the start", column: column)
            }
            try cursor.skip(" ")
            try cursor.skip(":")
            try cursor.skip(" ")
            entries.append(IomemEntry(range: range, name: try cursor.text()))
        }
        return entries
    }

    /// Whether the addresses were hidden from the reader: `r_show()` prints zeros without CAP_SYS_ADMIN.
    ///
    /// False for an empty list, which does not show the machine either: it is no evidence that nothing is reserved.
    package static func isMasked(_ entries: [IomemEntry]) -> Bool {
        !entries.isEmpty && entries.allSatisfy { $0.range.last == 0 }
    }
}
