/// How far apart two looks at the machine are that events cause: a multiple of the time that the last one took, with a
/// limit. Anyone who can plug in a device can make events.
struct LookPace {
    private static let share: Int64 = 20
    /// The longest pause after a look, in milliseconds.
    static let longest: Int64 = 1000

    /// When the look that is under way began, of ``GuardLoop/now``.
    private var began: Int64?
    /// The earliest time of the next look that an event causes.
    private(set) var next: Int64 = 0

    /// A look begins.
    mutating func begin(at now: Int64) { began = now }

    /// The look that was under way is over; without one nothing changes.
    mutating func end() {
        guard let began else { return }
        let now = GuardLoop.now
        next = now + min((now - began) * Self.share, Self.longest)
        self.began = nil
    }

    /// No look that an event causes comes before this time.
    mutating func delay(to time: Int64) { next = max(next, time) }
}
