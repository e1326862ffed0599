internal import CLinux
internal import Glibc
internal import SystemPackage

/// Listens to the kernel's own uevents, which need no udevd and come as soon as they are made.
///
/// Not libudev's monitor: it does not come back while events go on coming that it was not asked for.
package struct UeventMonitor: ~Copyable {
    /// To be polled for reading.
    package let descriptor: CInt
    private var buffer = [CChar](repeating: 0, count: Int(CLINUX_UEVENT_SIZE))

    /// Listens from now on.
    package init() throws(UdevError) {
        let opened = clinux_uevents_open()
        guard opened >= 0 else { throw UdevError(call: "socket", errno: Errno(rawValue: -opened)) }
        descriptor = opened
    }

    /// Takes datagrams of another socket, which it closes: a test's.
    package init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        // It was only read.
        _ = close(descriptor)
    }

    /// What came of ``take(atMost:_:)``.
    package struct Taken: Hashable, Sendable {
        package var count = 0
        /// Events are lost: the kernel had more than the socket could hold (ENOBUFS).
        package var areEventsLost = false
    }

    /// Takes events that have come, so many at the most.
    /// - Parameter body: Gets each of the kernel's.
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
