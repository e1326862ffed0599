internal import Glibc
internal import SystemPackage

/// Reports the service's state to the service manager (sd_notify(3)). Without a manager it does nothing.
package struct ServiceNotifier: Sendable {
    private let socket: DatagramSocket?

    /// Opens a socket to the address in `NOTIFY_SOCKET`: an absolute path, or `@` and a name in the abstract namespace.
    /// - Throws: EAFNOSUPPORT for an address of another kind (a virtual machine's `vsock:`).
    package init(environment: Environment = .process) throws(JournalError) {
        guard let path = environment["NOTIFY_SOCKET"], !path.isEmpty else {
            socket = nil
            return
        }
        guard path.hasPrefix("/") || path.hasPrefix("@") else {
            throw JournalError(.openSocket, path, .addressFamilyNotSupported)
        }
        socket = try DatagramSocket(path: path)
    }

    /// Whether there is a manager: `NOTIFY_SOCKET` was set.
    package var hasManager: Bool { socket != nil }

    /// Sends these states in one datagram, so that the manager applies them together.
    /// - Throws: When the manager does not accept the datagram within a second.
    package func tell(_ states: ServiceState...) throws(JournalError) {
        guard let socket else { return }
        try socket.send(Array(states.map(\.assignments).joined(separator: "\n").utf8))
    }

    /// How long ``tellSurely(_:within:unless:)`` tries, in milliseconds. The manager's queue is full while it reloads
    /// its units or starts hundreds of them.
    package static let standardDeadline: Int64 = 30_000

    /// Sends as ``tell(_:)`` does, and tries again while the manager is busy. For states that must arrive: a start
    /// waits for `ready`, and an end without `stopping` looks like a crash. Each attempt waits up to a second.
    /// - Parameters:
    ///   - deadline: In milliseconds.
    ///   - interruption: Called between two attempts; returns true to give up before the deadline.
    /// - Throws: When the manager does not accept the datagram within the deadline.
    package func tellSurely(
        _ states: ServiceState..., within deadline: Int64 = standardDeadline,
        unless interruption: () -> Bool = { false }
    ) throws(JournalError) {
        let end = Self.microseconds / 1000 + UInt64(deadline)
        let text = Array(states.map(\.assignments).joined(separator: "\n").utf8)
        while let socket {
            do throws(JournalError) {
                return try socket.send(text)
            } catch {
                let isBusy = error.errno == .resourceTemporarilyUnavailable || error.errno == .noBufferSpace
                guard isBusy, Self.microseconds / 1000 < end, !interruption() else { throw error }
            }
        }
    }

    /// Reports that a reload begins now; see ``ServiceState/reloading(at:)``.
    package func tellReloading() throws(JournalError) {
        try tellSurely(.reloading(at: Self.microseconds))
    }

    /// The time of CLOCK_MONOTONIC, in microseconds.
    private static var microseconds: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}
