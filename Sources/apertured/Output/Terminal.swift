internal import Glibc

/// The process's terminal, or what stands in its place.
enum Terminal {
    /// Writes a line to the standard error.
    static func complain(_ line: String) {
        // Unbuffered, in one write, so that lines of two processes do not mix.
        let bytes = Array("\(line)\n".utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
