internal import Glibc

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
