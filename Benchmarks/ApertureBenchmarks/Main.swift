internal import KernelFiles
internal import SystemPackage

/// The benchmarks that run inside one process. `Benchmarks/run` calls this program and does the rest.
@main
enum Main {
    private static let usage = "usage: ApertureBenchmarks index | parse ROOT ROUNDS"

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        switch (arguments.first, arguments.count) {
        case ("index", 1):
            for count in [100, 10_000, 1_000_000] {
                for isShuffled in [false, true] {
                    print(IndexBenchmark(count: count, isShuffled: isShuffled).run())
                }
            }
        case ("parse", 3):
            let rounds = Int(arguments[3]) ?? 1
            try ParseBenchmark(tree: FileTree(root: FilePath(arguments[2]))).run(rounds: rounds)
        default:
            fatalError(usage)
        }
    }
}
