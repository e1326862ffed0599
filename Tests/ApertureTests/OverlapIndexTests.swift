import Aperture
import Testing

struct OverlapIndexTests {
    /// The kernel's test (`overlap()` in drivers/video/aperture.c), on ends that do not fit in 64 bits.
    private static func kernelOverlaps(_ ranges: [AddressRange], _ query: AddressRange) -> [Int] {
        ranges.indices.filter { index in
            let (base1, end1) = (UInt128(ranges[index].start), UInt128(ranges[index].last) + 1)
            let (base2, end2) = (UInt128(query.start), UInt128(query.last) + 1)
            return base1 < end2 && end1 > base2
        }
    }

    /// The ends of the ranges, their neighbours, and some of everything else.
    private static func queries(_ ranges: [AddressRange], _ generator: inout SeededGenerator) -> [AddressRange] {
        var edges: [UInt64] = [0, 1, .max - 1, .max]
        for range in ranges { edges += [range.start, range.start &- 1, range.last, range.last &+ 1] }
        var queries = [AddressRange.all]
        for _ in 0..<50 {
            let first = edges[Int.random(in: edges.indices, using: &generator)]
            let second = edges[Int.random(in: edges.indices, using: &generator)]
            queries += [(first, first), (min(first, second), max(first, second))].compactMap(
                AddressRange.init(start:last:))
        }
        return queries
    }

    @Test(arguments: RangeFamily.allCases)
    func `finds exactly what the kernel's overlap test finds`(family: RangeFamily) {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let ranges = family.ranges(&generator)
            for ranges in [ranges, ranges.sorted()] {
                let index = OverlapIndex(ranges)
                let wrong = Self.queries(ranges, &generator).first {
                    index.overlaps(of: $0) != Self.kernelOverlaps(ranges, $0)
                }
                #expect(wrong == nil, "seed \(seed): \(ranges)")
            }
        }
    }

    @Test func `finds each range once, in any order`() throws {
        let range = try #require(AddressRange(start: 0, size: 8))
        let index = OverlapIndex([range, range, range])
        var found: [Int] = []
        index.forEachOverlap(of: .all) { found.append($0) }
        #expect(found.sorted() == [0, 1, 2])
    }

    @Test func `finds nothing among no ranges`() {
        #expect(OverlapIndex([]).overlaps(of: .all).isEmpty)
    }

    @Test func `touching is not overlapping`() throws {
        let index = OverlapIndex([try #require(AddressRange(start: 0x1000, last: 0x1fff))])
        #expect(index.overlaps(of: try #require(AddressRange(start: 0x2000, size: 1))).isEmpty)
        #expect(index.overlaps(of: try #require(AddressRange(start: 0xfff, size: 1))).isEmpty)
        #expect(index.overlaps(of: try #require(AddressRange(start: 0xfff, size: 2))) == [0])
    }

    @Test func `reaches the last byte of the space`() throws {
        let top = try #require(AddressRange(start: .max, last: .max))
        let index = OverlapIndex([.all, top])
        #expect(index.overlaps(of: top) == [0, 1])
        #expect(index.overlaps(of: try #require(AddressRange(start: 0, last: .max - 1))) == [0])
    }
}
