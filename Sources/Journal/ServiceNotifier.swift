internal import Glibc
package import SystemPackage

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
        try tell(states)
    }

    /// ``tell(_:)`` for a list.
    package func tell(_ states: [ServiceState]) throws(JournalError) {
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
        try tellSurely(states, within: deadline, unless: interruption)
    }

    /// ``tellSurely(_:within:unless:)`` for a list.
    package func tellSurely(
        _ states: [ServiceState], within deadline: Int64 = standardDeadline, unless interruption: () -> Bool
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

/// A state that a service reports to its manager (sd_notify(3)).
package enum ServiceState: Hashable, Sendable {
    /// The start, or a reload, is finished.
    case ready
    /// A reload has begun; `ready` ends it. The time is of CLOCK_MONOTONIC, in microseconds (`Type=notify-reload` uses
    /// it; a manager before 253 ignores it).
    case reloading(at: UInt64)
    /// The service is about to end.
    case stopping
    /// A line for people, shown by `systemctl status`. Line feeds become spaces, because the protocol cannot carry
    /// them. A long line is cut: the manager drops a whole datagram of 4096 bytes or more (`NOTIFY_BUFFER_MAX`).
    case status(String)
    /// The service is alive; restarts the watchdog's time.
    case watchdog
    /// The service fails with this error.
    case failure(Errno)
    /// The start, stop or watchdog timeout comes this many microseconds from now at the earliest.
    case extendTimeout(UInt64)

    var assignments: String {
        switch self {
        case .ready: "READY=1"
        case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=" + Self.line(text)
        case .watchdog: "WATCHDOG=1"
        case .failure(let errno): "ERRNO=\(errno.rawValue)"
        case .extendTimeout(let microseconds): "EXTEND_TIMEOUT_USEC=\(microseconds)"
        }
    }

    private static let longest = 1024

    private static func line(_ text: String) -> String {
        var line = ""
        var length = 0
        for character in text {
            length += character.utf8.count
            guard length <= longest else { return line + "…" }
            line.append(character.isNewline ? " " : character)
        }
        return line
    }
}

/// The service manager's watchdog for this process (sd_watchdog_enabled(3)).
package struct Watchdog: Hashable, Sendable {
    /// The manager kills the service when it receives no ``ServiceState/watchdog`` for this long.
    package let timeoutMicroseconds: UInt64

    /// `nil` when no watchdog is set (`WATCHDOG_USEC`), or it is meant for another process (`WATCHDOG_PID`).
    /// - Parameter process: This process's id.
    package init?(environment: Environment = .process, process: Int32 = getpid()) {
        guard let text = environment["WATCHDOG_USEC"], let timeout = UInt64(text), timeout > 0 else { return nil }
        if let owner = environment["WATCHDOG_PID"], Int32(owner) != process { return nil }
        timeoutMicroseconds = timeout
    }

    /// The time between two messages: half of the timeout, as the manual advises.
    package var intervalMilliseconds: Int32 {
        Int32(clamping: max(1, timeoutMicroseconds / 2000))
    }
}
