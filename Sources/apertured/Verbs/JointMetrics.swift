internal import Aperture
internal import Guard
internal import KernelFiles
internal import Reclaim
internal import SystemPackage

/// The metrics of a guard of several cards: each card's claims are counted by its own thread, and the files are written by
/// one thread for all of them, so that neither a claim nor the guard's loop waits for that.
final class JointMetrics: @unchecked Sendable {
    private struct State {
        var isStale = false
        var isWriting = false
    }

    /// How long changes are gathered before the files are written, in milliseconds.
    private static let gathering: Int32 = 200
    /// How long the end of the guard waits for a write that is under way, in milliseconds.
    private static let patience: Int64 = 15_000

    private let state = Monitor(State())
    /// Used by the card's own thread alone, one at a time for each address.
    private let cards = Monitor<[PCIAddress: ClaimMetrics]>([:])
    private let makeHost: @Sendable () -> MachineHost
    private let warn: @Sendable (String) -> Void

    init(makeHost: @escaping @Sendable () -> MachineHost, warn: @escaping @Sendable (String) -> Void) {
        self.makeHost = makeHost
        self.warn = warn
    }

    /// Starts the thread that writes the files. Without it they are only written at the end.
    func start() {
        do throws(Errno) {
            try WorkerThread.start { [self] in
                let host = makeHost()
                let files = MetricsFiles(on: host, warn: warn)
                while true {
                    _ = state.wait { $0.isStale ? true : nil }
                    host.pause(milliseconds: Self.gathering)
                    state.change { ($0.isStale, $0.isWriting) = (false, true) }
                    files.refresh()
                    state.change { $0.isWriting = false }
                }
            }
        } catch {
            warn("the metrics are not kept fresh: no thread could be started: \(error)")
        }
    }

    /// Follows a card's guard; called by the card's thread.
    func follow(_ card: PCIAddress, _ event: GuardEvent) {
        let metrics = cards.change { cards in
            let known = cards[card] ?? ClaimMetrics(card, on: makeHost(), warn: warn)
            cards[card] = known
            return known
        }
        if metrics.follow(event) { state.change { $0.isStale = true } }
    }

    /// Writes the files for the last time.
    func finish() {
        _ = state.wait(until: GuardLoop.now + Self.patience) { $0.isWriting ? nil : true }
        MetricsFiles(on: makeHost(), warn: warn).refresh()
    }
}
