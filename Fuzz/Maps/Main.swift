internal import CFuzzer
internal import Reclaim

/// Fuzzes the lines of /proc/PID/maps.
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
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
        guard let path = MapsLine.path(line) else { continue }
        // It is the line's end, from the path's first slash on.
        precondition(path.utf8.first == UInt8(ascii: "/"))
        let text = String(decoding: line, as: UTF8.self)
        precondition(text.hasSuffix(path))
    }
    return 0
}
