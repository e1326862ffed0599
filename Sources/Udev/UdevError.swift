package import SystemPackage

/// A system call of the uevent socket that failed.
package struct UdevError: Error, Hashable, Sendable {
    /// The C function.
    package let call: String
    /// Why it failed.
    package let errno: Errno

    /// A failed call and the reason.
    package init(call: String, errno: Errno) {
        self.call = call
        self.errno = errno
    }
}

extension UdevError: CustomStringConvertible {
    package var description: String { "\(call): \(errno) (errno \(errno.rawValue))" }
}
