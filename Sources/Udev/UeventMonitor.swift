internal import CLinux
internal import Glibc
package import SystemPackage

/// Listens to the kernel's own uevents, which need no udevd and arrive as soon as they are sent.
///
/// libudev's monitor is not used: its receive call does not return as long as events arrive that its filter drops.
package struct UeventMonitor: ~Copyable {
    /// Readable when events have arrived; poll it, and do not read from it.
    package let descriptor: CInt
    private var buffer = [CChar](repeating: 0, count: Int(CLINUX_UEVENT_SIZE))

    /// Opens a netlink socket, and listens from now on.
    package init() throws(UdevError) {
        let opened = clinux_uevents_open()
        guard opened >= 0 else { throw UdevError(call: "socket", errno: Errno(rawValue: -opened)) }
        descriptor = opened
    }

    /// Takes datagrams from another socket, a test's, and closes it at the end.
    package init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        // It was only read.
        _ = close(descriptor)
    }

    /// The result of ``take(atMost:_:)``.
    package struct Taken: Hashable, Sendable {
        /// How many datagrams were taken, including those that are not the kernel's.
        package var count = 0
        /// Whether the kernel dropped events, as the socket's buffer was full (ENOBUFS).
        package var areEventsLost = false
    }

    /// Takes the datagrams that have arrived, without waiting.
    /// - Parameters:
    ///   - limit: The most datagrams to take.
    ///   - body: Called with each of the kernel's events.
    package mutating func take(atMost limit: Int, _ body: (Uevent) -> Void) throws(UdevError) -> Taken {
        var taken = Taken()
        while taken.count < limit {
            let length = unsafe clinux_uevents_take(descriptor, &buffer, buffer.count)
            switch length {
            case 0: break
            case -Int(ENOBUFS): taken.areEventsLost = true
            case -Int(EAGAIN): return taken
            case ..<0: throw UdevError(call: "recvmsg", errno: Errno(rawValue: CInt(-length)))
            default:
                if let event = Uevent(buffer[..<length].lazy.map(UInt8.init(bitPattern:))) { body(event) }
            }
            taken.count += 1
        }
        return taken
    }
}

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
