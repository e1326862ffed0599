package import SystemPackage

/// A message that could not be handed to the journal or to the service manager.
package struct JournalError: Error, Hashable, Sendable {
    /// What failed, in the words of the error's description.
    package enum Operation: String, Hashable, Sendable {
        case openSocket = "open a socket for"
        case send = "send to"
        case makeFile = "make a file in memory for"
    }

    /// What failed.
    package let operation: Operation
    /// The socket's path, with `@` for the abstract namespace.
    package let path: String
    /// The error of the system call.
    package let errno: Errno

    /// - Parameter path: The socket's, with `@` for the abstract namespace.
    package init(_ operation: Operation, _ path: String, _ errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }
}

extension JournalError: CustomStringConvertible {
    package var description: String { "cannot \(operation.rawValue) \(path): \(errno) (errno \(errno.rawValue))" }
}
