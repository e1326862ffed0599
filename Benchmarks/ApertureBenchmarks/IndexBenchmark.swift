internal import Aperture

/// Builds an index over entries that nest as in /proc/iomem (window, BAR, driver's range), and sends the same queries
/// to it and to a plain loop.
struct IndexBenchmark {
    let count: Int
    /// Whether the entries are not in the order of their addresses. The plain loop is slower then, because its branches
    /// can no longer be predicted.
    let isShuffled: Bool

    /// The number of slices. Each has queries of its own, because the branch predictor learns a short list.
    private static let slices = 21
    private static let window: UInt64 = 0x12000

    /// Runs the benchmark.
    /// - Returns: One line of tab-separated values: count, order, build time, time of a query by the index and by the
    ///   loop (all in nanoseconds), mean number of overlaps of a query.
    func run() -> String {
        var numbers = Numbers(state: 42)
        let ranges = ranges(&numbers)

        var builds: [Double] = []
        var index = OverlapIndex([])
        for _ in 0..<(count > 100_000 ? 3 : 21) {
            builds.append(cpuTime { index = OverlapIndex(ranges) })
        }

        let space = UInt64(count / 7 + 1) * Self.window
        let queryCount = 20_000
        let loopCount = max(5, min(queryCount, 4_000_000 / count))
        var byIndex: [Double] = []
        var byLoop: [Double] = []
        var overlaps = 0
        for _ in 0..<Self.slices {
            let queries = (0..<queryCount).compactMap { _ in
                AddressRange(start: numbers.next() % space, size: 0x2000)
            }
            var found = 0
            let indexTime = cpuTime {
                for query in queries { index.forEachOverlap(of: query) { _ in found += 1 } }
            }
            byIndex.append(indexTime / Double(queries.count))
            overlaps += found

            var sumByLoop = 0
            let loopTime = cpuTime {
                for query in queries.prefix(loopCount) {
                    Self.forEachOverlap(in: ranges, of: query) { sumByLoop &+= $0 }
                }
            }
            byLoop.append(loopTime / Double(loopCount))

            var sumByIndex = 0
            for query in queries.prefix(loopCount) { index.forEachOverlap(of: query) { sumByIndex &+= $0 } }
            precondition(sumByIndex == sumByLoop, "the index and the loop disagree")
        }
        let mean = Double(overlaps) / Double(Self.slices * queryCount)
        return [
            "\(count)", isShuffled ? "shuffled" : "in order", "\(builds.median)", "\(byIndex.median)",
            "\(byLoop.median)", "\(mean)",
        ].joined(separator: "\t")
    }

    private func ranges(_ numbers: inout Numbers) -> [AddressRange] {
        var ranges: [AddressRange?] = []
        var start: UInt64 = 0
        while ranges.count < count {
            ranges.append(AddressRange(start: start, size: 0x10000))
            for bar in 0..<3 as Range<UInt64> {
                ranges.append(AddressRange(start: start + bar * 0x4000, size: 0x4000))
                ranges.append(AddressRange(start: start + bar * 0x4000, size: 0x3000))
            }
            start += Self.window
        }
        var made = ranges.prefix(count).compactMap(\.self)
        if isShuffled {
            for position in made.indices.reversed() {
                made.swapAt(position, Int(numbers.next() % UInt64(position + 1)))
            }
        }
        return made
    }

    // It compares the bounds itself, because a call of `AddressRange.overlaps` in the other module would slow it down.
    /// The plain loop.
    @inline(never)
    private static func forEachOverlap(in ranges: [AddressRange], of query: AddressRange, _ body: (Int) -> Void) {
        for position in ranges.indices
        where ranges[position].start <= query.last && ranges[position].last >= query.start {
            body(position)
        }
    }

    /// Xorshift (Marsaglia 2003): the same numbers in every run.
    private struct Numbers {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
