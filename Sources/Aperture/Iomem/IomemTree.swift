/// The entries of /proc/iomem as a tree.
///
/// An entry's parent is the entry that contains it and starts last; of equal ranges the earlier line contains the
/// later, as the kernel prints them. Indentation is ignored: the kernel stops indenting at a depth that depends on its
/// version (`MAX_IORES_LEVEL` of `r_show()` in kernel/resource.c), and quoted listings have lost theirs.
///
/// The kernel's own tree has no entries that cross, that is, overlap without one containing the other. If a listing has
/// such entries, neither is the parent of the other, and an entry inside both is a child of the one that starts last
/// and no descendant of the other; ``overlapping(_:)`` finds all of them regardless.
package struct IomemTree: Sendable {
    /// The entries in the order of the lines. Every position below is an index in this array.
    package let entries: [IomemEntry]

    /// The positions in the order of a walk: outer before inner, then by start.
    private let walk: [Int]
    private let parents: [Int?]
    private let childless: [Bool]
    /// The index over the ranges in the order of the walk.
    private let index: OverlapIndex

    /// Builds the tree, at any depth, in O(n) when the lines come in the order of a walk, as the kernel prints them,
    /// and in O(n log n) otherwise.
    package init(_ entries: [IomemEntry]) {
        var walk = Array(entries.indices)
        if !zip(entries, entries.dropFirst()).allSatisfy({ $0.range <= $1.range }) {
            walk.sort { (entries[$0].range, $0) < (entries[$1].range, $1) }
        }
        var parents = [Int?](repeating: nil, count: entries.count)
        var childless = [Bool](repeating: true, count: entries.count)
        var open: [Int] = []
        for position in walk {
            while let outer = open.last, !entries[outer].range.contains(entries[position].range) { open.removeLast() }
            if let parent = open.last {
                parents[position] = parent
                childless[parent] = false
            }
            open.append(position)
        }
        self.entries = entries
        self.walk = walk
        self.parents = parents
        self.childless = childless
        index = OverlapIndex(walk.map { entries[$0].range })
    }

    /// The position of the entry around this one, or `nil` at the top.
    package func parent(of position: Int) -> Int? { parents[position] }

    /// The positions of the entries around this one, nearest first; O(depth).
    package func ancestors(of position: Int) -> [Int] {
        Array(
            sequence(state: position) { position in
                guard let parent = parents[position] else { return nil }
                position = parent
                return parent
            })
    }

    /// Whether no entry has this one as its parent.
    package func isInnermost(_ position: Int) -> Bool { childless[position] }

    /// The positions of the entries that share a byte with the range, outer before inner, then by start; O(log n + k
    /// log k) for k entries.
    package func overlapping(_ range: AddressRange) -> [Int] {
        index.overlaps(of: range).map { walk[$0] }
    }
}

/// One line of /proc/iomem: a named resource and the range it owns (`struct resource`, printed by `r_show()`).
package struct IomemEntry: Hashable, Sendable {
    /// The physical addresses of the resource.
    package let range: AddressRange
    /// The name that its owner registered: a driver's, or a PCI address for a BAR. It may be empty.
    package let name: String

    /// An entry as a line shows it, or as another witness names it.
    package init(range: AddressRange, name: String) {
        self.range = range
        self.name = name
    }
}

extension IomemEntry: CustomStringConvertible {
    package var description: String { "\(name) \(range)" }
}

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
