internal import Aperture
internal import Glibc
internal import Journal
internal import SystemPackage

/// The process's standard output and standard error.
enum Terminal {
    /// Whether some output could not be written. The program has one thread.
    nonisolated(unsafe) private(set) static var hasLostOutput = false
    /// What shows that something takes long; `nil` where nothing may.
    nonisolated(unsafe) static var progress: ProgressLine?

    /// Writes to the standard output without a buffer. A failure is reported, and makes the whole program fail; see
    /// ``hasLostOutput``.
    static func print(_ text: some CustomStringConvertible, terminator: String = "\n") {
        guard unsafe !hasLostOutput else { return }
        unsafe progress?.clear()
        var bytes = Array("\(text)\(terminator)".utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = Errno(rawValue: count < 0 ? errno : EIO)
                fail("cannot write to the standard output: \(error) (errno \(error.rawValue))")
                return unsafe hasLostOutput = true
            }
            bytes = bytes.dropFirst(count)
        }
    }

    /// A message that is about no GPU alone.
    struct Message: Equatable {
        let kind: MessageKind
        let text: String

        init(_ kind: MessageKind, _ text: String) {
            self.kind = kind
            self.text = text
        }

        /// As it stands on a terminal.
        var lines: String { kind.lines(text) }
    }

    /// Writes a message to the standard error.
    static func show(_ message: Message) { write(message.lines) }

    /// Writes on the standard error that something failed.
    /// - Parameter subject: The GPU that it is about.
    static func fail(_ reason: String, about subject: PCIAddress? = nil) { complain(.error, reason, subject) }

    /// Writes on the standard error that something failed.
    static func fail(_ error: some Error) { complain(.error, "\(error)", nil) }

    /// Writes a refusal to the standard error.
    /// - Parameter subject: The GPU that it is about.
    static func refuse(_ refusal: Refusal, about subject: PCIAddress? = nil) {
        complain(.refusal, "\(refusal)", subject)
    }

    /// Writes on the standard error that something is not as it should be.
    /// - Parameter subject: The GPU that it is about.
    static func warn(_ text: String, about subject: PCIAddress? = nil) { complain(.warning, text, subject) }

    private static func complain(_ kind: MessageKind, _ text: String, _ subject: PCIAddress?) {
        write(kind.lines(text, about: subject?.description))
    }

    /// Writes what the argument parser says of the arguments, which begins with `Error: `.
    static func complainOfUsage(_ message: String) {
        let text = message.hasPrefix("Error: ") ? String(message.dropFirst("Error: ".count)) : message
        write("\(JournalEntry.identifier): \(MessageKind.error.rawValue)\(text)\n")
    }

    private static func write(_ lines: String) {
        unsafe progress?.clear()
        // Write in one call, so that the lines of two processes do not mix.
        let bytes = Array(lines.utf8)
        // A failure of the standard error cannot be reported anywhere.
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// The width of the terminal on the standard output, in columns: that of `COLUMNS`, or what the terminal says; `nil`
    /// if it is no terminal and `COLUMNS` is not set.
    static var columns: Int? {
        if let wish = unsafe getenv("COLUMNS"), let columns = unsafe Int(String(cString: wish)), columns > 0 {
            return columns
        }
        guard let size = size(of: STDOUT_FILENO) else { return nil }
        return size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// The lines of the terminal on the standard output; `nil` if it is no terminal.
    static var rows: Int? {
        guard let size = size(of: STDOUT_FILENO), size.ws_row > 0 else { return nil }
        return Int(size.ws_row)
    }

    /// What a terminal says of its size; `nil` if the descriptor is none.
    static func size(of descriptor: CInt) -> winsize? {
        var size = winsize()
        let result = unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size)
        return result == 0 ? size : nil
    }

    /// The text with a colour, by its code (ECMA-48 SGR); as it is without one.
    static func colored(_ text: String, _ code: String?) -> String {
        code.map { "\u{1b}[\($0)m\(text)\u{1b}[0m" } ?? text
    }

    /// Whether to use colours: the standard output is a terminal, and `NO_COLOR` is not set (no-color.org).
    static var isColored: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        guard let wish = unsafe getenv("NO_COLOR") else { return true }
        return unsafe wish.pointee == 0
    }
}
