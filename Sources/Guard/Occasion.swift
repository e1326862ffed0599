/// What the guard wakes up for.
package enum Occasion: Hashable, Sendable {
    /// Something changed that may concern the card, or it is time to look again.
    case change(areEventsLost: Bool)
    /// SIGHUP.
    case reload
    /// SIGTERM or SIGINT.
    case stop
}
