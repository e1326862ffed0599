internal import Aperture
package import Reclaim

/// Snapshots that several cards' threads share: what they ask for at the same time is read once.
///
/// One thread reads at a time. Threads that ask meanwhile wait for the next snapshot, which is read for all of them. While
/// cards are claimed together, a read also waits a moment for the cards whose step is under way: then there is one
/// snapshot for each rung. A card that takes longer is not waited for again before it has asked itself.
package final class JointReads<H: Host>: @unchecked Sendable {
    private final class Batch {
        var cards: Set<PCIAddress> = []
        var withHolders = false
        var isLed = false
        var result: Result<Snapshot, SnapshotError>?
    }

    private enum Pace {
        case working
        case waiting
        /// It was not waited for any longer.
        case slow
    }

    private struct State {
        var batches: [SnapshotScope.Purpose: Batch] = [:]
        var isReading = false
        var members: [PCIAddress: Pace] = [:]
    }

    /// How long a read waits for cards whose step is under way, in milliseconds. A card that hangs costs it once.
    private static var patience: Int64 { 2000 }

    private let state = Monitor(State())
    /// Used by one thread at a time: see ``State/isReading``.
    private let host: H

    /// - Parameter host: Reads; by one thread at a time.
    package init(host: H) {
        self.host = host
    }

    /// From now on reads wait for the card's steps.
    func join(_ card: PCIAddress) { state.change { $0.members[card] = .working } }

    /// The end of ``join(_:)``.
    func leave(_ card: PCIAddress) { state.change { $0.members[card] = nil } }

    /// A snapshot for this card, and for those that ask for one at the same time.
    func snapshot(
        _ purpose: SnapshotScope.Purpose, of card: PCIAddress, withHolders: Bool
    ) throws(SnapshotError) -> Snapshot {
        let (batch, leads) = state.change { state -> (Batch, Bool) in
            let batch = state.batches[purpose] ?? Batch()
            state.batches[purpose] = batch
            batch.cards.insert(card)
            batch.withHolders = batch.withHolders || withHolders
            if state.members[card] != nil { state.members[card] = .waiting }
            defer { batch.isLed = true }
            return (batch, !batch.isLed)
        }
        if leads { read(batch, purpose) }
        let result = state.wait { state -> Result<Snapshot, SnapshotError>? in
            guard let result = batch.result else { return nil }
            if state.members[card] != nil { state.members[card] = .working }
            return result
        }
        guard let result else { throw .device("\(card)", reason: "its snapshot was not read") }
        return try result.get()
    }

    private func read(_ batch: Batch, _ purpose: SnapshotScope.Purpose) {
        let deadline = GuardLoop.now + Self.patience
        let begin = { (state: inout State) in
            state.isReading = true
            // Who asks from now on gets the next one.
            state.batches[purpose] = nil
        }
        let isComplete = state.wait(until: deadline) { state -> Bool? in
            guard !state.isReading, !state.members.values.contains(.working) else { return nil }
            begin(&state)
            return true
        }
        if isComplete == nil {
            _ = state.wait { state -> Bool? in
                guard !state.isReading else { return nil }
                for case let (card, .working) in state.members { state.members[card] = .slow }
                begin(&state)
                return true
            }
        }
        let (cards, withHolders) = state.read { _ in (batch.cards, batch.withHolders) }
        let result: Result<Snapshot, SnapshotError>
        do throws(SnapshotError) {
            result = .success(try host.snapshot(.several(purpose, cards), withHolders: withHolders))
        } catch {
            result = .failure(error)
        }
        state.change { state in
            state.isReading = false
            batch.result = result
        }
    }
}
