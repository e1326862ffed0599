internal import Glibc
internal import SystemPackage

/// Tells the service manager how the service is (sd_notify(3)); does nothing where there is no manager.
package struct ServiceNotifier: Sendable {
    private let socket: DatagramSocket?

    /// Takes the manager's socket from `NOTIFY_SOCKET`: an absolute path, or `@` and a name in the abstract namespace.
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

    /// Whether a manager listens.
    package var hasManager: Bool { socket != nil }

    /// Tells these in one datagram: the manager takes them at the same instant.
    /// - Throws: When the manager does not take it.
    package func tell(_ states: ServiceState...) throws(JournalError) {
        guard let socket else { return }
        try socket.send(Array(states.map(\.assignments).joined(separator: "\n").utf8))
    }

    /// How long what must be heard is offered again and again to a manager that is busy, in milliseconds. Its queue is full
    /// while it reloads its units, or starts hundreds of them.
    package static let standardDeadline: Int64 = 30_000

    /// As ``tell(_:)``, for what a manager must have heard: a start waits for `ready`, and an end without `stopping` looks
    /// like a crash. Each attempt waits for a second by itself.
    /// - Parameters:
    ///   - deadline: In milliseconds.
    ///   - interruption: Why to give up earlier, asked between two attempts; `nil` to go on.
    /// - Throws: When the manager does not take it within the deadline.
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

    /// Tells that a reload begins now.
    package func tellReloading() throws(JournalError) {
        try tellSurely(.reloading(at: Self.microseconds))
    }

    /// CLOCK_MONOTONIC.
    private static var microseconds: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}
