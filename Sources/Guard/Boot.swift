/// What a guard asks of the service manager while the machine boots.
package struct Boot {
    /// Plymouth's PID file, as its unit and the initramfs' scripts name it.
    static let splash = "/run/plymouth/pid"

    /// Whether the system is still starting (systemctl(1), `is-system-running`: `initializing` or `starting`).
    package var isUnderWay: () -> Bool
    /// Asks the boot splash to end, and does not wait for that; throws when it could not be asked.
    package var endSplash: () throws -> Void
    /// The time in milliseconds, of any clock that only goes forward.
    package var now: () -> Int64

    /// - Parameter now: CLOCK_MONOTONIC; another clock for a test.
    package init(
        isUnderWay: @escaping () -> Bool, endSplash: @escaping () throws -> Void,
        now: @escaping () -> Int64 = { GuardLoop.now }
    ) {
        self.isUnderWay = isUnderWay
        self.endSplash = endSplash
        self.now = now
    }
}
