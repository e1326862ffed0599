internal import Aperture
internal import KernelFiles

/// Parses `/proc/iomem` below a root, over and over, from memory.
struct ParseBenchmark {
    let tree: FileTree

    /// Prints the nanoseconds of CPU time and the number of claims of each round, as `iomem-sscanf.c` does.
    func run(rounds: Int) throws {
        let bytes = try tree.bytes("/proc/iomem")
        for _ in 0..<rounds {
            var claims: [IomemEntry] = []
            let time = try cpuTime { claims = try Iomem.parse(bytes) }
            print(Int(time), claims.count)
        }
    }
}
