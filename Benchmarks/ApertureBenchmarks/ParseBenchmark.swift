internal import Aperture
internal import KernelFiles

/// Parses `/proc/iomem` below a root repeatedly, from memory.
struct ParseBenchmark {
    let tree: FileTree

    /// Prints the CPU time in nanoseconds and the number of entries of each round, as `iomem-sscanf.c` does.
    func run(rounds: Int) throws {
        let bytes = try tree.bytes("/proc/iomem")
        for _ in 0..<rounds {
            var entries: [IomemEntry] = []
            let time = try cpuTime { entries = try Iomem.parse(bytes) }
            print(Int(time), entries.count)
        }
    }
}
