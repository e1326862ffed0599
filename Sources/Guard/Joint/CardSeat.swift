internal import Aperture
internal import Journal
internal import Record
internal import Reclaim

/// One card of a joint guard: what its thread and the main thread tell each other.
final class CardSeat: Sendable {
    /// How a card stands.
    enum Phase: Hashable {
        /// It is being claimed.
        case starting
        /// It is claimed and guarded.
        case ready
        /// Its guard has ended, and does not begin again by itself.
        case ended(GuardEnd)
        /// Its guard has failed, and begins again soon.
        case waiting(GuardEnd)
        /// Its thread has ended.
        case finished(GuardEnd)
    }

    private struct State {
        var phase = Phase.starting
        /// The last status line of its guard.
        var text = ""
        var isStopping = false
        var isReloading = false
        var hasChanged = false
        var areEventsLost = false
        /// A reload, or a card that has come back: the guard begins again.
        var mayBegin = false
        /// When its thread last did something, of ``GuardLoop/now``; `nil` while it waits for the main thread.
        var lastSign: Int64?
        var isSilenceTold = false
        /// The card that the last guard was for, by its sysfs directory; `nil` for none.
        var identity: UInt64?

        var hasEvents: Bool { hasChanged || areEventsLost }
    }

    let address: PCIAddress
    private let state = Monitor(State())
    private let poke: @Sendable () -> Void

    /// - Parameter poke: Wakes the main thread when the phase or the status line has changed.
    init(_ address: PCIAddress, poke: @escaping @Sendable () -> Void) {
        self.address = address
        self.poke = poke
    }

    // MARK: - The main thread

    var phase: Phase { state.read(\.phase) }

    /// How the card stands, and the last status line of its guard, which is empty before there is one.
    var standing: (phase: Phase, text: String) {
        state.read { ($0.phase, $0.isSilenceTold ? "It gives no sign of life." : $0.text) }
    }

    var isFinished: Bool { if case .finished = phase { true } else { false } }

    /// Whether its first claim is over, whichever way, or hangs where nothing ends it.
    var isSettled: Bool { state.read { $0.phase != .starting || $0.isSilenceTold } }

    var isStopping: Bool { state.read(\.isStopping) }

    func change(areEventsLost: Bool) {
        state.change { state in
            state.hasChanged = true
            state.areEventsLost = state.areEventsLost || areEventsLost
        }
    }

    /// Reads the configuration again; a guard that has ended begins again.
    func reload() {
        state.change { state in
            state.isReloading = true
            state.mayBegin = true
        }
    }

    /// The card is there: a guard that ended because it was gone, or that was for another card, begins again.
    /// - Parameter identity: The card's own, by its sysfs directory.
    func appear(_ identity: UInt64?) {
        state.change { state in
            guard case .ended(let end) = state.phase else { return }
            if end == .gone || state.identity != identity { state.mayBegin = true }
        }
    }

    func stop() { state.change { $0.isStopping = true } }

    /// How long the thread has been at work without a sign, in milliseconds, once for each such time; `nil` otherwise.
    func silence(longerThan limit: Int64) -> Int64? {
        state.change { state in
            guard let last = state.lastSign, GuardLoop.now - last > limit, !state.isSilenceTold else { return nil }
            state.isSilenceTold = true
            return GuardLoop.now - last
        }
    }

    // MARK: - The card's thread

    /// Tells that the thread is alive.
    func sign() {
        state.change { state in
            state.lastSign = GuardLoop.now
            state.isSilenceTold = false
        }
    }

    /// The guard begins.
    /// - Parameter identity: The card's, by its sysfs directory.
    func begin(_ identity: UInt64?) {
        state.change { $0.identity = identity }
        enter(.starting)
    }

    func enter(_ phase: Phase) {
        state.change { state in
            state.phase = phase
            state.lastSign = if case .starting = phase { GuardLoop.now } else { nil }
        }
        poke()
    }

    func show(_ text: String) {
        let isNew = state.change { state in
            defer { state.text = text }
            return state.text != text
        }
        if isNew { poke() }
    }

    /// Waits until the guard may begin again.
    /// - Parameter time: Of ``GuardLoop/now``: it may begin then anyway; `nil` to wait for a reload or for the card.
    /// - Returns: False when the guard is to stop.
    func waitToBegin(at time: Int64?) -> Bool {
        let may = state.wait(until: time) { state -> Bool? in
            if state.isStopping { return false }
            guard state.mayBegin else { return nil }
            (state.mayBegin, state.isReloading, state.hasChanged, state.areEventsLost) = (false, false, false, false)
            return true
        }
        return may ?? true
    }
}

/// The wake-ups of a card's guard, from the main thread. Like ``GuardLoop`` it keeps a distance between two looks.
struct SeatSource: WakeupSource {
    private let seat: CardSeat
    private var due: Int64?
    private var pace = LookPace()

    init(_ seat: CardSeat) { self.seat = seat }

    mutating func next() -> Wakeup {
        pace.end()
        let wakeup = seat.wakeup(due: due, nextLook: pace.next)
        if case .change = wakeup {
            due = nil
            pace.begin(at: GuardLoop.now)
        }
        return wakeup
    }

    mutating func lookAgain(afterMilliseconds milliseconds: Int64) { due = GuardLoop.now + milliseconds }

    func notifyWatchdog() { seat.sign() }
}

extension CardSeat {
    /// Waits for the next wake-up.
    /// - Parameters:
    ///   - due: When to look, event or not; events before it cause no wake-up of their own. `nil` for none.
    ///   - nextLook: The earliest time of a look that an event causes.
    fileprivate func wakeup(due: Int64?, nextLook: Int64) -> Wakeup {
        state.change { $0.lastSign = nil }
        defer { sign() }
        let time = { (state: State) in due ?? (state.hasEvents ? nextLook : nil) }
        let wakeup = state.wait(until: time) { state -> Wakeup? in
            if state.isStopping { return .stop }
            if state.isReloading {
                (state.isReloading, state.mayBegin) = (false, false)
                return .reload
            }
            guard let time = time(state), time <= GuardLoop.now else { return nil }
            defer { (state.hasChanged, state.areEventsLost) = (false, false) }
            return .change(areEventsLost: state.areEventsLost)
        }
        return wakeup ?? .change(areEventsLost: false)
    }
}

/// The states of a card's guard, which the joint guard tells the service manager together.
struct SeatReceiver: StateReceiver {
    let seat: CardSeat

    func tell(_ states: [ServiceState]) {
        // First what is said: a card that is ready is shown with its own line.
        for case .status(let text) in states { seat.show(text) }
        for case .ready in states { seat.enter(.ready) }
    }

    func tellSurely(_ states: [ServiceState], unless interruption: () -> Bool) { tell(states) }

    func tellReloading() {}
}
