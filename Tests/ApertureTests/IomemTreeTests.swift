import Aperture
import Testing

struct IomemTreeTests {
    private static func entry(_ start: UInt64, _ last: UInt64, _ name: String) throws -> IomemEntry {
        IomemEntry(range: try #require(AddressRange(start: start, last: last)), name: name)
    }

    /// The parent by the definition: of the entries around this one, the last in the order of a walk.
    private static func parent(of position: Int, in entries: [IomemEntry]) -> Int? {
        let range = entries[position].range
        return entries.indices
            .filter { entries[$0].range.contains(range) && (entries[$0].range != range || $0 < position) }
            .max { (entries[$0].range, $0) < (entries[$1].range, $1) }
    }

    @Test func `a framebuffer lies in its BAR, and the BAR in its bridge's window`() throws {
        let tree = IomemTree([
            try Self.entry(0xc000_0000, 0xd1ff_ffff, "PCI Bus 0000:01"),
            try Self.entry(0xc000_0000, 0xc0ff_ffff, "0000:01:00.0"),
            try Self.entry(0xc000_0000, 0xc03e_7fff, "BOOTFB"),
            try Self.entry(0xc000_0000, 0xc03e_7fff, "simpledrm"),
            try Self.entry(0xd000_0000, 0xd000_0fff, "0000:01:00.0"),
        ])
        #expect((0..<5).map(tree.parent) == [nil, 0, 1, 2, 0])
        #expect(tree.ancestors(of: 3) == [2, 1, 0])
        #expect(tree.ancestors(of: 0).isEmpty)
        #expect((0..<5).map(tree.isInnermost) == [false, false, false, true, true])
    }

    @Test func `of equal ranges the earlier line is the parent`() throws {
        let tree = IomemTree([
            try Self.entry(0x1000, 0x1fff, "0000:01:00.0"), try Self.entry(0x1000, 0x1fff, "vesafb"),
        ])
        #expect(tree.parent(of: 0) == nil)
        #expect(tree.parent(of: 1) == 0)
    }

    @Test func `lines in another order make the same tree`() throws {
        let tree = IomemTree([
            try Self.entry(0x1000, 0x10ff, "inner"), try Self.entry(0x0, 0xfff, "before"),
            try Self.entry(0x1000, 0x1fff, "outer"),
        ])
        #expect((0..<3).map(tree.parent) == [2, nil, nil])
        #expect(tree.entries.map(\.name) == ["inner", "before", "outer"])
        #expect(tree.overlapping(.all).map { tree.entries[$0].name } == ["before", "outer", "inner"])
    }

    @Test func `crossing entries are no parents of each other, and both are found`() throws {
        let tree = IomemTree([
            try Self.entry(0x1000, 0x1fff, "left"), try Self.entry(0x1800, 0x2fff, "right"),
            try Self.entry(0x1900, 0x19ff, "in both"),
        ])
        #expect((0..<3).map(tree.parent) == [nil, nil, 1])
        #expect(tree.overlapping(try #require(AddressRange(start: 0x1900, size: 1))) == [0, 1, 2])
    }

    @Test(arguments: RangeFamily.allCases)
    func `the parent is the entry around it that starts last`(family: RangeFamily) {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let entries = family.ranges(&generator).map { IomemEntry(range: $0, name: "") }
            let tree = IomemTree(entries)
            let parents = entries.indices.map(tree.parent)
            #expect(parents == entries.indices.map { Self.parent(of: $0, in: entries) }, "seed \(seed)")
            #expect(
                entries.indices.map(tree.isInnermost) == entries.indices.map { !parents.contains($0) }, "seed \(seed)")
            let chains = entries.indices.map { [$0] + tree.ancestors(of: $0) }
            #expect(
                chains.allSatisfy { $0.map { parents[$0] } == $0.dropFirst().map(Optional.some) + [nil] },
                "seed \(seed)")
        }
    }

    @Test(arguments: RangeFamily.allCases)
    func `overlapping entries come in the order of a walk`(family: RangeFamily) {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let entries = family.ranges(&generator).map { IomemEntry(range: $0, name: "") }
            let walk = entries.indices.sorted { (entries[$0].range, $0) < (entries[$1].range, $1) }
            #expect(IomemTree(entries).overlapping(.all) == walk, "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a hundred thousand entries may nest in each other`() throws {
        let depth: UInt64 = 100_000
        let tree = IomemTree(try (0..<depth).map { try Self.entry($0, 2 * depth - $0, "") })
        #expect(tree.ancestors(of: Int(depth) - 1).count == Int(depth) - 1)
        #expect(tree.overlapping(try #require(AddressRange(start: depth, size: 1))).count == Int(depth))
        #expect(tree.overlapping(try #require(AddressRange(start: 2 * depth, size: 1))) == [0])
    }
}
