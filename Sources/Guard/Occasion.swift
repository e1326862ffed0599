/// What the guard wakes up for.
package enum Occasion: Hashable, Sendable {
    /// Something changed that may concern the card.
    case change(areEventsLost: Bool)
    /// The card was removed. It may be back already, but that is another device.
    case removed
    /// SIGHUP.
    case reload
    /// SIGTERM or SIGINT.
    case stop
}
