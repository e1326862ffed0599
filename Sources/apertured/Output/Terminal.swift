internal import Glibc

/// The process's terminal, or what stands in its place.
enum Terminal {
    /// Writes a line to the standard error.
    static func complain(_ line: String) {
        // Unbuffered, in one write, so that lines of two processes do not mix.
        let bytes = Array("\(line)\n".utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The standard output's columns; 80 where it is no terminal.
    static var width: Int {
        var size = winsize()
        let result = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Whether the standard output is a terminal that may be sent colours (no-color.org).
    static var isColored: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        guard let wish = unsafe getenv("NO_COLOR") else { return true }
        return unsafe wish.pointee == 0
    }
}
