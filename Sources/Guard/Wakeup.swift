/// What a guard wakes up for.
package enum Wakeup: Hashable, Sendable {
    /// Something changed that may concern the card, or it is time to look again.
    case change(areEventsLost: Bool)
    /// SIGHUP.
    case reload
    /// SIGTERM or SIGINT.
    case stop
}

/// Where wake-ups come from: the kernel's events and signals, or a test's list.
package protocol WakeupSource {
    /// Waits for the next one.
    mutating func next() throws -> Wakeup

    /// Makes a ``Wakeup/change(areEventsLost:)`` of the time.
    mutating func lookAgain(afterMilliseconds milliseconds: Int64)

    /// Tells the service manager's watchdog that the guard lives, if it is time to. For what takes long between two waits.
    mutating func notifyWatchdog()
}
