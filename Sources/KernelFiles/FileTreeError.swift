package import SystemPackage

/// A file operation that failed: the operation, the kernel's path, and the errno.
package struct FileTreeError: Error, Hashable, Sendable {
    /// What was tried; the raw value follows "cannot" in the message.
    package enum Operation: String, Hashable, Sendable {
        case open
        case read
        case write
        case list
        case remove
        case readLink = "read link"
    }

    /// What was tried.
    package let operation: Operation
    /// The path as the kernel knows it, without the root.
    package let path: String
    /// Why it failed.
    package let errno: Errno
    /// What was being written; `nil` for the other operations.
    package let value: String?

    /// The process that is stuck in the kernel with a write that has not returned; `nil` for any other failure.
    package var stuckProcess: Int32?
    /// More about the failure, for a person: how long a stuck write was waited for, and where in the kernel it is.
    package var detail: String?

    /// A failure without a stuck process and without details.
    package init(_ operation: Operation, _ path: String, _ errno: Errno, value: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.value = value
    }

    /// Whether the file does not exist, or went away while it was read: sysfs returns ENODEV for an attribute whose
    /// device has just gone, and ENOENT for a path.
    package var isAbsence: Bool {
        errno == .noSuchFileOrDirectory || errno == .noSuchDevice || errno == .notDirectory
    }
}

extension FileTreeError: CustomStringConvertible {
    package var description: String {
        let what = value.map { "write '\($0 == "\n" ? "\\n" : $0)' to" } ?? operation.rawValue
        return "cannot \(what) \(path): \(errno) (errno \(errno.rawValue))" + (detail.map { ": \($0)" } ?? "")
    }
}

extension Errno {
    /// ENODEV, which swift-system names after the text that BSD prints. sysfs returns it when an attribute's device is
    /// gone, and for an unbind of a device that is not bound.
    package static var noSuchDevice: Errno { .operationNotSupportedByDevice }
}
