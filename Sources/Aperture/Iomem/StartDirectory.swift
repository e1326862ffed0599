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
