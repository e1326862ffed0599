/// Why a guard wakes up.
package enum Wakeup: Hashable, Sendable {
    /// Something changed that may concern the card, or it is time to look again. `areEventsLost` is true when the loss
    /// of events is to be reported.
    case change(areEventsLost: Bool)
    /// SIGHUP: read the configuration again.
    case reload
    /// SIGTERM or SIGINT: end the guard.
    case stop
}

/// The source of a guard's wake-ups: the kernel's events and signals, or a test's list.
package protocol WakeupSource {
    /// Waits for the next wake-up.
    mutating func next() throws -> Wakeup

    /// Makes ``next()`` return a ``Wakeup/change(areEventsLost:)`` after this time, event or not.
    mutating func lookAgain(afterMilliseconds milliseconds: Int64)

    /// Tells the service manager's watchdog that the guard is alive, if a message is due. Call it during long work
    /// between two waits.
    mutating func notifyWatchdog()
}
