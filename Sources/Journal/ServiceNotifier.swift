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

    /// Tells that a reload begins now.
    package func tellReloading() throws(JournalError) {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        try tell(.reloading(at: UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000))
    }
}
