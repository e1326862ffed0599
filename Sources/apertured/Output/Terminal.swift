internal import Glibc
internal import SystemPackage

/// The process's standard output and standard error.
enum Terminal {
    /// Whether some output could not be written. The program has one thread.
    nonisolated(unsafe) private(set) static var hasLostOutput = false

    /// Writes to the standard output without a buffer. A failure is reported, and makes the whole program fail; see
    /// ``hasLostOutput``.
    static func print(_ text: some CustomStringConvertible, terminator: String = "\n") {
        guard unsafe !hasLostOutput else { return }
        var bytes = Array("\(text)\(terminator)".utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = Errno(rawValue: count < 0 ? errno : EIO)
                complain("apertured: cannot write to the standard output: \(error) (errno \(error.rawValue))")
                return unsafe hasLostOutput = true
            }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Writes a line to the standard error.
    static func complain(_ line: String) {
        // Write in one call, so that the lines of two processes do not mix.
        let bytes = Array("\(line)\n".utf8)
        // A failure of the standard error cannot be reported anywhere.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The width of the terminal on the standard output, in columns: that of `COLUMNS`, or what the terminal says; `nil`
    /// if it is no terminal and `COLUMNS` is not set.
    static var columns: Int? {
        if let wish = unsafe getenv("COLUMNS"), let columns = unsafe Int(String(cString: wish)), columns > 0 {
            return columns
        }
        var size = winsize()
        let result = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        guard result == 0 else { return nil }
        return size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// The lines of the terminal on the standard output; `nil` if it is no terminal.
    static var rows: Int? {
        var size = winsize()
        let result = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_row > 0 ? Int(size.ws_row) : nil
    }

    /// Whether to use colours: the standard output is a terminal, and `NO_COLOR` is not set (no-color.org).
    static var isColored: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        guard let wish = unsafe getenv("NO_COLOR") else { return true }
        return unsafe wish.pointee == 0
    }
}
