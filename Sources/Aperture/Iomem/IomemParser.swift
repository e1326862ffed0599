/// /proc/iomem: every claimed range of physical addresses, one to a line (`r_show()` in kernel/resource.c).
package enum Iomem {
    /// Reads all lines, in their order; O(n) in the bytes.
    ///
    /// A line is white space, `START-END : NAME`, and a line feed: 1 to 16 hexadecimal digits each, an inclusive end
    /// that does not lie before the start, and one space on each side of the colon. The white space is spaces and tabs
    /// and says nothing (``IomemTree`` tells why). The name is all that follows the first ` : `: it may hold ` : `
    /// itself, its bytes that are no UTF-8 become U+FFFD, and it may be empty, as a driver may register one.
    /// A carriage return before the line feed is not part of it. The last line may lack its line feed, but then its
    /// name may not be empty: the text was cut off. Blank lines are passed over.
    ///
    /// Nothing else is: an entry may hide behind a line that cannot be read.
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - source: What an error calls it.
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
    /// False for no entries at all. That is no view of the machine either, and no evidence that nothing is claimed.
    package static func isMasked(_ entries: [IomemEntry]) -> Bool {
        !entries.isEmpty && entries.allSatisfy { $0.range.last == 0 }
    }
}
