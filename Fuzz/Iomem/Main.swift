internal import Aperture
internal import Fuzzing

/// Fuzzes /proc/iomem, and the tree that is made of it.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // What parses also nests, and every claim is found again.
    guard let claims = try? Iomem.parse(bytes) else { return 0 }
    let tree = ClaimTree(claims)
    for (index, claim) in claims.enumerated().prefix(64) {
        precondition(tree.overlapping(claim.range).contains(index))
    }
    return 0
}
