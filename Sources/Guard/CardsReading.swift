package import Aperture
package import KernelFiles
package import Reclaim

/// What the configuration can say of every GPU, read once for all threads that wait for it.
///
/// One thread reads at a time. Who asks meanwhile gets the next reading, so that each is as new as the question.
package final class CardsReading: Sendable {
    private typealias Outcome = Result<[CardFacts], SnapshotError>

    private struct State {
        /// How many readings have begun, and how many have ended.
        var begun = 0
        var ended = 0
        /// Of the last reading that has ended.
        var outcome: Outcome?
    }

    private enum Turn {
        case reads
        case has(Outcome)
    }

    let tree: FileTree
    private let state = Monitor(State())

    /// - Parameter tree: The root below which the machine is read.
    package init(tree: FileTree) { self.tree = tree }

    /// What a reading has found that began after this call. See ``SnapshotReader/cards()``.
    package func read() throws(SnapshotError) -> [CardFacts] {
        let wanted = state.read(\.begun) + 1
        let turn = state.wait { state -> Turn? in
            if state.ended >= wanted, let outcome = state.outcome { return .has(outcome) }
            guard state.begun == state.ended else { return nil }
            state.begun += 1
            return .reads
        }
        if case .has(let outcome) = turn { return try outcome.get() }
        let outcome = Outcome { () throws(SnapshotError) in try SnapshotReader(tree: tree).cards() }
        state.change { state in
            state.ended += 1
            state.outcome = outcome
        }
        return try outcome.get()
    }
}
