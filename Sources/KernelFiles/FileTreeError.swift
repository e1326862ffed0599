package import SystemPackage

/// A file operation that failed: what was tried, on which of the kernel's paths, and why.
package struct FileTreeError: Error, Hashable, Sendable {
    package enum Operation: String, Hashable, Sendable {
        case open
        case read
        case write
        case list
        case readLink = "read link"
    }

    package let operation: Operation
    /// The path as the kernel knows it, without the root.
    package let path: String
    package let errno: Errno
    /// What was being written; `nil` for the other operations.
    package let value: String?

    /// The process that is stuck in the kernel with a write that has not come back.
    package var stuckProcess: Int32?
    /// How long it was waited for, and where it is stuck, for a person.
    package var detail: String?

    package init(_ operation: Operation, _ path: String, _ errno: Errno, value: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.value = value
    }

    /// The thing is not there, or went while it was looked at: sysfs gives ENODEV for an attribute whose device has
    /// just gone, and ENOENT for a path.
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
