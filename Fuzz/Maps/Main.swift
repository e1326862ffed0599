internal import Fuzzing
internal import Reclaim

/// Fuzzes the parser of the lines of /proc/PID/maps.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
        guard let path = MapsLine.path(line) else { continue }
        // The path begins with a slash and is the end of the line.
        precondition(path.utf8.first == UInt8(ascii: "/"))
        let text = String(decoding: line, as: UTF8.self)
        precondition(text.hasSuffix(path))
    }
    return 0
}
