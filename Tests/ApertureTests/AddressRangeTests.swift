import Aperture
import Testing

struct AddressRangeTests {
    private static func range(_ start: UInt64, _ last: UInt64) throws -> AddressRange {
        try #require(AddressRange(start: start, last: last))
    }

    @Test func `an inclusive pair, a size and a half-open range make the same value`() throws {
        let range = try Self.range(0x1000, 0x1fff)
        #expect(AddressRange(start: 0x1000, size: 0x1000) == range)
        #expect(AddressRange(0x1000..<0x2000) == range)
        #expect(range.start == 0x1000)
        #expect(range.last == 0x1fff)
        #expect(range.end == 0x2000)
        #expect(range.size == 0x1000)
    }

    @Test func `a range without a byte cannot be made`() {
        #expect(AddressRange(start: 1, last: 0) == nil)
        #expect(AddressRange(start: .max, last: 0) == nil)
        #expect(AddressRange(start: 0x1000, size: 0) == nil)
        #expect(AddressRange(start: 0, size: 0) == nil)
        #expect(AddressRange(0x1000..<0x1000) == nil)
    }

    @Test func `a range may end with the space and not pass it`() throws {
        #expect(AddressRange(start: .max, size: 1) == (try Self.range(.max, .max)))
        #expect(AddressRange(start: .max, size: 2) == nil)
        #expect(AddressRange(start: 1, size: .max) == (try Self.range(1, .max)))
        #expect(AddressRange(start: 2, size: .max) == nil)
        #expect(try Self.range(.max, .max).end == 1 << 64)
        #expect(AddressRange.all == (try Self.range(0, .max)))
        #expect(AddressRange.all.size == 1 << 64)
        #expect(AddressRange.all.end == 1 << 64)
    }

    struct Pair: Sendable {
        let left: (UInt64, UInt64)
        let right: (UInt64, UInt64)
        let shared: (UInt64, UInt64)?

        init(_ left: (UInt64, UInt64), _ right: (UInt64, UInt64), shared: (UInt64, UInt64)?) {
            self.left = left
            self.right = right
            self.shared = shared
        }
    }

    @Test(arguments: [
        Pair((0, 9), (10, 19), shared: nil),
        Pair((0, 10), (10, 19), shared: (10, 10)),
        Pair((0, 19), (5, 9), shared: (5, 9)),
        Pair((0, 9), (0, 9), shared: (0, 9)),
        Pair((0, 9), (20, 29), shared: nil),
        Pair((0, .max), (.max, .max), shared: (.max, .max)),
        Pair((0, .max - 1), (.max, .max), shared: nil),
        Pair((0, .max), (0, 0), shared: (0, 0)),
    ])
    func `two ranges overlap when they share a byte`(pair: Pair) throws {
        let left = try Self.range(pair.left.0, pair.left.1)
        let right = try Self.range(pair.right.0, pair.right.1)
        let shared = try pair.shared.map { try Self.range($0.0, $0.1) }
        for (one, other) in [(left, right), (right, left)] {
            #expect(one.overlaps(other) == (shared != nil))
            #expect(one.intersection(other) == shared)
        }
    }

    @Test func `overlap, intersection and containment agree with sets of addresses`() throws {
        for seed in 0..<200 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let ends = (0..<4).map { _ in UInt64.random(in: 0...12, using: &generator) }
            let left = try Self.range(min(ends[0], ends[1]), max(ends[0], ends[1]))
            let right = try Self.range(min(ends[2], ends[3]), max(ends[2], ends[3]))
            let (mine, others) = (Set(left.start...left.last), Set(right.start...right.last))
            #expect(left.overlaps(right) == !mine.isDisjoint(with: others), "seed \(seed)")
            #expect(left.contains(right) == mine.isSuperset(of: others), "seed \(seed)")
            let shared = left.intersection(right).map { Set($0.start...$0.last) } ?? []
            #expect(shared == mine.intersection(others), "seed \(seed)")
            #expect(mine == Set((0...13).filter { left.contains($0) }), "seed \(seed)")
        }
    }

    @Test func `an enclosing range comes before what it encloses`() throws {
        let ranges = [
            try Self.range(0, 0), AddressRange.all, try Self.range(5, 9), try Self.range(5, 6), try Self.range(0, 9),
        ]
        #expect(
            ranges.sorted() == [
                .all, try Self.range(0, 9), try Self.range(0, 0), try Self.range(5, 9), try Self.range(5, 6),
            ])
    }

    @Test func `prints its inclusive ends in lower case`() throws {
        #expect(try Self.range(0xc000_0000, 0xc0ff_ffff).description == "0xc0000000-0xc0ffffff")
        #expect(AddressRange.all.description == "0x0-0xffffffffffffffff")
    }
}
