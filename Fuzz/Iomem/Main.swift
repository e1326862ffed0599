internal import Aperture
internal import Fuzzing

/// Fuzzes /proc/iomem, and the tree that is made of it.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // What parses also nests, and every entry is found again.
    guard let entries = try? Iomem.parse(bytes) else { return 0 }
    let tree = IomemTree(entries)
    for (index, entry) in entries.enumerated().prefix(64) {
        precondition(tree.overlapping(entry.range).contains(index))
    }
    return 0
}
