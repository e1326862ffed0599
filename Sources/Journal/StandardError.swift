internal import Glibc
package import SystemPackage

/// What the standard error is connected to.
package struct StandardError: Hashable, Sendable {
    package var isTerminal: Bool
    /// `st_dev` and `st_ino` as `JOURNAL_STREAM` writes them: two decimal numbers with a colon between; `nil` when the
    /// descriptor is closed.
    package var stream: String?

    package init(isTerminal: Bool, stream: String?) {
        self.isTerminal = isTerminal
        self.stream = stream
    }

    /// The process's own, or another descriptor.
    package init(of descriptor: FileDescriptor = .standardError) {
        isTerminal = isatty(descriptor.rawValue) == 1
        var status = stat()
        stream = unsafe fstat(descriptor.rawValue, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : nil
    }
}
