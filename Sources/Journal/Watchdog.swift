internal import Glibc

/// What the service manager's watchdog expects of this process (sd_watchdog_enabled(3)).
package struct Watchdog: Hashable, Sendable {
    /// The manager ends the service when it hears nothing for so long.
    package let timeoutMicroseconds: UInt64

    /// `nil` when no watchdog is set (`WATCHDOG_USEC`), or it is meant for another process (`WATCHDOG_PID`).
    /// - Parameter process: This process's number.
    package init?(environment: Environment = .process, process: Int32 = getpid()) {
        guard let text = environment["WATCHDOG_USEC"], let timeout = UInt64(text), timeout > 0 else { return nil }
        if let owner = environment["WATCHDOG_PID"], Int32(owner) != process { return nil }
        timeoutMicroseconds = timeout
    }

    /// How often a sign of life is due: twice in the time, as the manual advises.
    package var intervalMilliseconds: Int32 {
        Int32(clamping: max(1, timeoutMicroseconds / 2000))
    }
}
