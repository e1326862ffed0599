package import SystemPackage

/// A call that failed while events were waited for.
package struct UdevError: Error, Hashable, Sendable {
    /// The C function.
    package let call: String
    package let errno: Errno

    package init(call: String, errno: Errno) {
        self.call = call
        self.errno = errno
    }
}

extension UdevError: CustomStringConvertible {
    package var description: String { "\(call): \(errno) (errno \(errno.rawValue))" }
}
