/// Finds which of a fixed set of ranges overlap a given one. The ranges may nest to any depth, cross and repeat.
///
/// A query has two parts. The ranges that start inside it are neighbours in the order of starts: a ``StartDirectory``
/// finds the first, and the rest follow. The ranges that start before it overlap it if they reach into it. These are
/// found in a tree: the Cartesian tree of the last bytes (Vuillemin 1980). A range's *outer* range is the nearest
/// earlier one that reaches at least as far (its parent, where ranges nest). The ranges between the two reach less far,
/// and form its left subtree. From a range outward the reach only grows: jump pointers (Myers, "An applicative
/// random-access stack", 1983) find the first outer range that reaches the query, and all further ones reach it too. A
/// left subtree is walked only as far down as its ranges reach the query.
///
/// Space is O(n), at most 2^31 - 1 ranges; building takes O(n) when the ranges come sorted by start, as /proc/iomem
/// lists them, and O(n log n) otherwise.
package struct OverlapIndex: Sendable {
    /// A range, with the part of the tree that a query reads when ranges only nest. Ranks count in the order of starts.
    private struct Node {
        let start: UInt64
        let last: UInt64
        /// The range's position in the input.
        let position: Int32
        /// The rank of the nearest earlier range that reaches at least as far, or `none`.
        let outer: Int32
        /// The jump pointer: the rank of an outer range further out, or the range's own rank where there is none.
        let leap: Int32
        /// The rank of the furthest-reaching range between the outer range and this one, or `none`.
        let left: Int32
    }

    /// The rest of the tree, which a query reads only where ranges cross.
    private struct Links {
        var parent: Int32
        var right: Int32
    }

    private static let none: Int32 = -1

    /// By rank.
    private let nodes: [Node]
    private let links: [Links]
    private let directory: StartDirectory

    /// Builds the index over the ranges; answers are positions in this array.
    package init(_ ranges: [AddressRange]) {
        precondition(ranges.count <= Int(Int32.max), "an index holds at most 2^31 - 1 ranges")
        var order = Array(ranges.indices)
        if !zip(ranges, ranges.dropFirst()).allSatisfy({ $0.start <= $1.start }) {
            order.sort { ranges[$0].start < ranges[$1].start }
        }

        var nodes: [Node] = []
        var links: [Links] = []
        var depths: [Int32] = []
        nodes.reserveCapacity(ranges.count)
        links.reserveCapacity(ranges.count)
        depths.reserveCapacity(ranges.count)
        // A textbook keeps a stack here; the chain of outer ranges from the newest node serves as one.
        var outer = Self.none
        for (rank, position) in order.enumerated() {
            let rank = Int32(rank)
            let range = ranges[position]
            var left = Self.none
            while outer != Self.none, nodes[Int(outer)].last < range.last {
                left = outer
                outer = nodes[Int(outer)].outer
            }
            var leap = rank
            if outer != Self.none {
                let near = nodes[Int(outer)].leap
                let far = nodes[Int(near)].leap
                let evenly = depths[Int(outer)] - depths[Int(near)] == depths[Int(near)] - depths[Int(far)]
                leap = evenly ? far : outer
                links[Int(outer)].right = rank
            }
            if left != Self.none { links[Int(left)].parent = rank }
            nodes.append(
                Node(
                    start: range.start, last: range.last, position: Int32(position), outer: outer, leap: leap,
                    left: left))
            links.append(Links(parent: outer, right: Self.none))
            depths.append(outer == Self.none ? 0 : depths[Int(outer)] + 1)
            outer = rank
        }
        self.nodes = nodes
        self.links = links
        directory = StartDirectory(sorted: nodes.map(\.start))
    }

    /// Calls `body` with the position of every range that overlaps `range`, in no particular order.
    ///
    /// O(log n + k) for k overlaps, whatever the ranges; allocates nothing.
    package func forEachOverlap(of range: AddressRange, _ body: (Int) -> Void) {
        let first = directory.firstRank(for: range.start) { nodes[$0].start }
        var rank = first
        while rank < nodes.count, nodes[rank].start <= range.last {
            if nodes[rank].last >= range.start { body(Int(nodes[rank].position)) }
            rank += 1
        }

        var outer = Int32(truncatingIfNeeded: first) - 1
        while outer != Self.none, !reaches(outer, range.start) {
            let leap = nodes[Int(outer)].leap
            outer = nodes[Int(reaches(leap, range.start) ? outer : leap)].outer
        }
        while outer != Self.none {
            let node = nodes[Int(outer)]
            body(Int(node.position))
            if reaches(node.left, range.start) { walk(down: node.left, reaching: range.start, body) }
            outer = node.outer
        }
    }

    /// The positions of the ranges that overlap `range`, ascending; O(log n + k log k).
    package func overlaps(of range: AddressRange) -> [Int] {
        var positions: [Int] = []
        forEachOverlap(of: range) { positions.append($0) }
        positions.sort()
        return positions
    }

    /// Whether the rank is not `none` and its range reaches the address.
    private func reaches(_ rank: Int32, _ address: UInt64) -> Bool {
        rank != Self.none && nodes[Int(rank)].last >= address
    }

    /// Calls `body` for `top` and for each range below it that reaches the address. No range reaches further than the
    /// one above it, so each step down is to an overlap, and each step up undoes a step down.
    private func walk(down top: Int32, reaching address: UInt64, _ body: (Int) -> Void) {
        var rank = top
        while true {
            body(Int(nodes[Int(rank)].position))
            if reaches(nodes[Int(rank)].left, address) {
                rank = nodes[Int(rank)].left
                continue
            }
            var below = Self.none
            while links[Int(rank)].right == below || !reaches(links[Int(rank)].right, address) {
                guard rank != top else { return }
                below = rank
                rank = links[Int(rank)].parent
            }
            rank = links[Int(rank)].right
        }
    }
}

/// Tells where in a sorted list of starts a search begins. It divides the space between the first and the last start
/// into equal pages, and keeps for each page the rank of the first start in it.
///
/// A page of spread-out starts holds one or two and needs no search; a crowded page is searched by halves.
struct StartDirectory: Sendable {
    /// A page with more starts than this is searched; in another one the caller passes over them.
    private static let crowd = 8

    private let origin: UInt64
    /// Pages are of 2^shift bytes.
    private let shift: UInt64
    /// One rank for each page, then the count of starts for the space behind the last page.
    private let ranks: [Int32]

    /// O(n) time and space; the starts must be ascending.
    init(sorted starts: [UInt64]) {
        origin = starts.first ?? 0
        let span = (starts.last ?? 0) - origin
        let bits = UInt64(UInt64.bitWidth - span.leadingZeroBitCount)
        let wanted = UInt64(Int.bitWidth - starts.count.leadingZeroBitCount)
        shift = bits > wanted ? bits - wanted : 0
        var ranks: [Int32] = []
        ranks.reserveCapacity(Int(span >> shift) + 2)
        for (rank, start) in starts.enumerated() {
            let page = Int((start - origin) >> shift)
            while ranks.count <= page { ranks.append(Int32(rank)) }
        }
        ranks.append(Int32(starts.count))
        self.ranks = ranks
    }

    /// A rank such that all starts before it are below the address, and at most eight from it on are.
    ///
    /// O(1) where the address's page holds few starts, O(log n) at worst.
    func firstRank(for address: UInt64, start: (Int) -> UInt64) -> Int {
        guard address > origin else { return 0 }
        let page = (address - origin) >> shift
        guard page < UInt64(ranks.count - 1) else { return Int(ranks[ranks.count - 1]) }
        var low = Int(ranks[Int(page)])
        var high = Int(ranks[Int(page) + 1])
        guard high - low > Self.crowd else { return low }
        while low < high {
            let middle = (low + high) / 2
            if start(middle) < address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
