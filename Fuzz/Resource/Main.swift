internal import Aperture
internal import Fuzzing

/// Fuzzes sysfs `resource`.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // A failure to parse is an answer.
    guard let table = try? ResourceTable.parse(bytes) else { return 0 }
    precondition(table.memoryBARs.allSatisfy { (0...5).contains($0.index) })
    return 0
}
