internal import Aperture
internal import Guard
internal import Reclaim
internal import SystemPackage

/// The metrics of a guard of several cards. One thread counts the claims of all cards and writes the files, so that neither
/// a claim nor the guard's loop waits for that. It is one, because the kernel's lock of the counters is the process's own
/// and keeps none of its threads out.
final class JointMetrics: @unchecked Sendable {
    private struct Happening {
        let card: PCIAddress
        let event: GuardEvent
        /// Of ``GuardLoop/now``.
        let time: Int64
    }

    private struct State {
        var happenings: [Happening] = []
        /// Whether the thread is at work.
        var isAtWork = false
        /// Whether the guard has ended, and the thread takes nothing more.
        var isOver = false
    }

    /// How long events are gathered before the files are written, in milliseconds.
    private static let gathering: Int32 = 200
    /// How long the end of the guard waits for the thread, in milliseconds.
    private static let patience: Int64 = 15_000

    private let state = Monitor(State())
    private let host: MachineHost
    private let files: MetricsFiles
    private let warn: (String) -> Void
    /// Like the host and the files, the thread's own; after its end, of ``finish()``.
    private var cards: [PCIAddress: ClaimMetrics] = [:]

    /// - Parameters:
    ///   - host: For the thread alone.
    ///   - warn: Tells why something is not counted or not written; called by the thread.
    init(on host: MachineHost, warn: @escaping (String) -> Void) {
        self.host = host
        self.warn = warn
        files = MetricsFiles(on: host, warn: warn)
    }

    /// Starts the thread. Without it everything is counted and written at the end.
    func start() {
        do throws(Errno) {
            try WorkerThread.start { [self] in
                while let happenings = take() {
                    if count(happenings) { files.refresh() }
                    state.change { $0.isAtWork = false }
                }
            }
        } catch {
            warn("the metrics are not kept fresh: no thread could be started: \(error)")
        }
    }

    /// Follows a card's guard; called by the card's thread.
    func follow(_ card: PCIAddress, _ event: GuardEvent) {
        let happening = Happening(card: card, event: event, time: GuardLoop.now)
        state.change { $0.happenings.append(happening) }
    }

    /// Counts what is left, and writes the files for the last time.
    func finish() {
        let left = state.wait(until: GuardLoop.now + Self.patience) { state -> [Happening]? in
            state.isOver = true
            return state.isAtWork ? nil : state.happenings
        }
        guard let left else { return warn("the metrics are not written: the write before has not ended") }
        _ = count(left)
        files.refresh()
    }

    /// What has happened, when it is enough; `nil` when the guard has ended.
    private func take() -> [Happening]? {
        _ = state.wait { $0.isOver || !$0.happenings.isEmpty ? true : nil }
        host.pause(milliseconds: Self.gathering)
        return state.change { state in
            guard !state.isOver else { return nil }
            defer { (state.happenings, state.isAtWork) = ([], true) }
            return state.happenings
        }
    }

    /// - Returns: Whether the files are older than what happened.
    private func count(_ happenings: [Happening]) -> Bool {
        var isStale = false
        for happening in happenings {
            let metrics = cards[happening.card] ?? ClaimMetrics(happening.card, on: host, warn: warn)
            cards[happening.card] = metrics
            if metrics.follow(happening.event, at: happening.time) { isStale = true }
        }
        return isStale
    }
}
