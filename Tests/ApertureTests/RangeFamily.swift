import Aperture

/// Ways in which claimed ranges can lie to each other.
enum RangeFamily: CaseIterable, Sendable {
    /// Trees of random depth, as in /proc/iomem, with gaps, touching siblings and children that fill their parent.
    case nested
    /// Each inside the one before.
    case onion
    /// Side by side without a gap.
    case touching
    /// Each reaching into the next few.
    case crossing
    /// A few ranges, many times each.
    case repeated
    /// In a space so small that everything happens; sizes of zero are tried and make no range.
    case crowded
    /// Any two ends of the whole space, and the whole space.
    case anywhere
    /// One start, all sizes.
    case sameStart
    /// Dense in two places far apart, as memory below 4 GiB and 64-bit BARs are.
    case clustered

    /// Up to about a hundred ranges, in random order.
    func ranges(_ generator: inout SeededGenerator) -> [AddressRange] {
        let count = Int.random(in: 0...100, using: &generator)
        var ranges: [AddressRange?] = []
        switch self {
        case .nested:
            var open = [AddressRange.all]
            for _ in 0..<count {
                let outer = open[Int.random(in: max(0, open.count - 4)..<open.count, using: &generator)]
                let ends = [
                    UInt64.random(in: outer.start...outer.last, using: &generator),
                    UInt64.random(in: outer.start...outer.last, using: &generator),
                ]
                let start = Bool.random(using: &generator) ? outer.start : ends[0]
                let last = Bool.random(using: &generator) ? outer.last : ends[1]
                guard let inner = AddressRange(start: min(start, last), last: max(start, last)) else { continue }
                // Siblings do not cross: what would is left out.
                let fits = ranges.allSatisfy { other in
                    guard let other else { return true }
                    return !other.overlaps(inner) || other.contains(inner) || inner.contains(other)
                }
                guard fits else { continue }
                ranges.append(inner)
                open.append(inner)
            }
        case .onion:
            for step in 0..<UInt64(count) {
                ranges.append(
                    AddressRange(
                        start: 0x1000 + step, last: 0x2000 - UInt64.random(in: 0...1, using: &generator) - 2 * step))
            }
        case .touching:
            var start = UInt64.random(in: 0...0x1000, using: &generator)
            for _ in 0..<count {
                let size = UInt64.random(in: 0...4, using: &generator)
                ranges.append(AddressRange(start: start, size: size))
                start += size
            }
        case .crossing:
            for step in 0..<UInt64(count) {
                ranges.append(AddressRange(start: step * 4, size: UInt64.random(in: 1...40, using: &generator)))
            }
        case .repeated:
            let few = (0..<3).map { _ in
                AddressRange(
                    start: UInt64.random(in: 0...20, using: &generator),
                    size: UInt64.random(in: 1...20, using: &generator))
            }
            for _ in 0..<count { ranges.append(few.randomElement(using: &generator) ?? nil) }
        case .crowded:
            for _ in 0..<count {
                let start = UInt64.random(in: 0...16, using: &generator)
                ranges.append(AddressRange(start: start, size: UInt64.random(in: 0...6, using: &generator)))
            }
        case .anywhere:
            ranges.append(.all)
            for _ in 0..<count {
                let ends = (
                    UInt64.random(in: 0 ... .max, using: &generator), UInt64.random(in: 0 ... .max, using: &generator)
                )
                ranges.append(AddressRange(start: min(ends.0, ends.1), last: max(ends.0, ends.1)))
            }
        case .sameStart:
            for _ in 0..<count {
                ranges.append(AddressRange(start: 0x1000, size: UInt64.random(in: 1...200, using: &generator)))
            }
        case .clustered:
            for _ in 0..<count {
                let base: UInt64 = Bool.random(using: &generator) ? 0xc000_0000 : 0xffff_ffff_ffff_0000
                ranges.append(
                    AddressRange(
                        start: base + UInt64.random(in: 0...0x400, using: &generator),
                        size: UInt64.random(in: 1...0x40, using: &generator)))
            }
        }
        return ranges.compactMap(\.self).shuffled(using: &generator)
    }
}
