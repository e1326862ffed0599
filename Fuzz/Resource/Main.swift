internal import Aperture
internal import Fuzzing

/// Fuzzes the parser of sysfs `resource`.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // Bytes may fail to parse.
    guard let table = try? ResourceTable.parse(bytes) else { return 0 }
    precondition(table.memoryBARs.allSatisfy { (0...5).contains($0.index) })
    return 0
}
