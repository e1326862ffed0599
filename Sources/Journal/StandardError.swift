internal import Glibc
package import SystemPackage

/// What the standard error is connected to.
package struct StandardError: Hashable, Sendable {
    /// Whether it is a terminal.
    package var isTerminal: Bool
    /// `st_dev` and `st_ino` in the form of `JOURNAL_STREAM`: two decimal numbers with a colon between; `nil` when the
    /// descriptor is closed.
    package var stream: String?

    /// - Parameter stream: In the form of `JOURNAL_STREAM`.
    package init(isTerminal: Bool, stream: String?) {
        self.isTerminal = isTerminal
        self.stream = stream
    }

    /// Examines a descriptor, by default the process's standard error.
    package init(of descriptor: FileDescriptor = .standardError) {
        isTerminal = isatty(descriptor.rawValue) == 1
        var status = stat()
        stream = unsafe fstat(descriptor.rawValue, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : nil
    }
}
