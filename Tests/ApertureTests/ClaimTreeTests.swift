import Aperture
import Testing

struct ClaimTreeTests {
    private static func claim(_ start: UInt64, _ last: UInt64, _ name: String) throws -> Claim {
        Claim(range: try #require(AddressRange(start: start, last: last)), name: name)
    }

    /// The parent by the definition: of the claims around this one, the last in the order of a walk.
    private static func parent(of position: Int, in claims: [Claim]) -> Int? {
        let range = claims[position].range
        return claims.indices
            .filter { claims[$0].range.contains(range) && (claims[$0].range != range || $0 < position) }
            .max { (claims[$0].range, $0) < (claims[$1].range, $1) }
    }

    @Test func `a framebuffer lies in its BAR, and the BAR in its bridge's window`() throws {
        let tree = ClaimTree([
            try Self.claim(0xc000_0000, 0xd1ff_ffff, "PCI Bus 0000:01"),
            try Self.claim(0xc000_0000, 0xc0ff_ffff, "0000:01:00.0"),
            try Self.claim(0xc000_0000, 0xc03e_7fff, "BOOTFB"),
            try Self.claim(0xc000_0000, 0xc03e_7fff, "simpledrm"),
            try Self.claim(0xd000_0000, 0xd000_0fff, "0000:01:00.0"),
        ])
        #expect((0..<5).map(tree.parent) == [nil, 0, 1, 2, 0])
        #expect(tree.ancestors(of: 3) == [2, 1, 0])
        #expect(tree.ancestors(of: 0).isEmpty)
        #expect((0..<5).map(tree.isInnermost) == [false, false, false, true, true])
    }

    @Test func `of equal ranges the earlier line is the parent`() throws {
        let tree = ClaimTree([
            try Self.claim(0x1000, 0x1fff, "0000:01:00.0"), try Self.claim(0x1000, 0x1fff, "vesafb"),
        ])
        #expect(tree.parent(of: 0) == nil)
        #expect(tree.parent(of: 1) == 0)
    }

    @Test func `lines in another order make the same tree`() throws {
        let tree = ClaimTree([
            try Self.claim(0x1000, 0x10ff, "inner"), try Self.claim(0x0, 0xfff, "before"),
            try Self.claim(0x1000, 0x1fff, "outer"),
        ])
        #expect((0..<3).map(tree.parent) == [2, nil, nil])
        #expect(tree.claims.map(\.name) == ["inner", "before", "outer"])
        #expect(tree.overlapping(.all).map { tree.claims[$0].name } == ["before", "outer", "inner"])
    }

    @Test func `crossing claims are no parents of each other, and both are found`() throws {
        let tree = ClaimTree([
            try Self.claim(0x1000, 0x1fff, "left"), try Self.claim(0x1800, 0x2fff, "right"),
            try Self.claim(0x1900, 0x19ff, "in both"),
        ])
        #expect((0..<3).map(tree.parent) == [nil, nil, 1])
        #expect(tree.overlapping(try #require(AddressRange(start: 0x1900, size: 1))) == [0, 1, 2])
    }

    @Test(arguments: RangeFamily.allCases)
    func `the parent is the claim around it that starts last`(family: RangeFamily) {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let claims = family.ranges(&generator).map { Claim(range: $0, name: "") }
            let tree = ClaimTree(claims)
            let parents = claims.indices.map(tree.parent)
            #expect(parents == claims.indices.map { Self.parent(of: $0, in: claims) }, "seed \(seed)")
            #expect(
                claims.indices.map(tree.isInnermost) == claims.indices.map { !parents.contains($0) }, "seed \(seed)")
            let chains = claims.indices.map { [$0] + tree.ancestors(of: $0) }
            #expect(
                chains.allSatisfy { $0.map { parents[$0] } == $0.dropFirst().map(Optional.some) + [nil] },
                "seed \(seed)")
        }
    }

    @Test(arguments: RangeFamily.allCases)
    func `overlapping claims come in the order of a walk`(family: RangeFamily) {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let claims = family.ranges(&generator).map { Claim(range: $0, name: "") }
            let walk = claims.indices.sorted { (claims[$0].range, $0) < (claims[$1].range, $1) }
            #expect(ClaimTree(claims).overlapping(.all) == walk, "seed \(seed)")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a hundred thousand claims may nest in each other`() throws {
        let depth: UInt64 = 100_000
        let tree = ClaimTree(try (0..<depth).map { try Self.claim($0, 2 * depth - $0, "") })
        #expect(tree.ancestors(of: Int(depth) - 1).count == Int(depth) - 1)
        #expect(tree.overlapping(try #require(AddressRange(start: depth, size: 1))).count == Int(depth))
        #expect(tree.overlapping(try #require(AddressRange(start: 2 * depth, size: 1))) == [0])
    }
}
