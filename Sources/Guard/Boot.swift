/// What a guard asks of the service manager while the machine boots.
package struct Boot {
    /// Plymouth's PID file, as its unit and the initramfs' scripts name it.
    static let splash = "/run/plymouth/pid"

    /// Whether the system is still starting (systemctl(1), `is-system-running`: `initializing` or `starting`).
    package var isUnderWay: () -> Bool
    /// Asks the boot splash to end, and does not wait for that. Returns why it could not be asked; `nil` when it was.
    package var endSplash: () -> String?
    /// The time in milliseconds, of any clock that only goes forward.
    package var now: () -> Int64

    /// - Parameter now: CLOCK_MONOTONIC; another clock for a test.
    package init(
        isUnderWay: @escaping () -> Bool, endSplash: @escaping () -> String?,
        now: @escaping () -> Int64 = { GuardLoop.now }
    ) {
        self.isUnderWay = isUnderWay
        self.endSplash = endSplash
        self.now = now
    }
}
