internal import Aperture
internal import Fuzzing

/// Fuzzes the parser of /proc/iomem, and the tree of its entries.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // Every list that parses makes a tree, and the tree finds each entry again.
    guard let entries = try? Iomem.parse(bytes) else { return 0 }
    let tree = IomemTree(entries)
    for (index, entry) in entries.enumerated().prefix(64) {
        precondition(tree.overlapping(entry.range).contains(index))
    }
    return 0
}
