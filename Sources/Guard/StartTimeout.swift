internal import Glibc
package import Journal

/// Keeps a start from timing out while it waits for other cards' claims: one claim at a time, and as many units as cards.
package final class StartTimeout {
    /// By how much the manager is asked to wait longer, and how often, in milliseconds. A manager that is busy with as
    /// many units may not read a message for minutes.
    private static let extent: Int64 = 300_000
    private static let interval: Int64 = 10_000

    private let notifier: ServiceNotifier
    private let now: () -> Int64
    private var next: Int64

    /// - Parameter now: CLOCK_MONOTONIC in milliseconds; another clock for a test.
    package init(notifier: ServiceNotifier, now: @escaping () -> Int64 = { GuardLoop.now }) {
        self.notifier = notifier
        self.now = now
        next = now()
    }

    /// Asks the service manager for more time (sd_notify(3), `EXTEND_TIMEOUT_USEC`), unless it did so a moment ago.
    package func extend() {
        guard next <= now() else { return }
        next = now() + Self.interval
        // A manager that is too busy to take it is asked again.
        try? notifier.tell(.extendTimeout(UInt64(Self.extent) * 1000))
    }
}
