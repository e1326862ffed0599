internal import Aperture
internal import CFuzzer

/// Fuzzes sysfs `resource`.
@main
enum Main {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        unsafe exit(
            LLVMFuzzerRunDriver(&count, &arguments) { start, size in
                attempt(unsafe Array(UnsafeBufferPointer(start: start, count: size)))
            })
    }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // A failure to parse is an answer.
    guard let table = try? ResourceTable.parse(bytes) else { return 0 }
    precondition(table.memoryBARs.allSatisfy { (0...5).contains($0.index) })
    return 0
}
