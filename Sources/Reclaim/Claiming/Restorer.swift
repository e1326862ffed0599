package import Aperture

/// What came of going back to a prior state.
package struct Restoration: Sendable {
    package var performed: [PlanStep] = []
    /// Steps of the way back that failed; the others were made all the same.
    package var failures: [StepFailure] = []
    /// What cannot be as it was, each a sentence.
    package var losses: [String] = []

    /// Whether the machine is as it was.
    package var isComplete: Bool { failures.isEmpty && losses.isEmpty }
}

/// Takes a card back to a prior state, rung by rung like the claim: whatever happened between, only what is and what
/// was decide. A step that fails is named, and the others are made all the same.
package struct Restorer<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void
    /// How long a framebuffer that someone holds open is waited for, in milliseconds.
    private let releaseDeadline: Int32

    package init(host: H, releaseDeadline: Int32, tell: @escaping (ClaimEvent) -> Void) {
        self.releaseDeadline = releaseDeadline
        self.host = host
        self.tell = tell
    }

    /// - Throws: When a snapshot cannot be read; then what is left to do is not known.
    package func restore(
        _ prior: PriorState, boundByUs: Set<String>, removedByUs: Bool
    ) throws(SnapshotError) -> Restoration {
        var result = Restoration()
        var tried: [PlanStep] = []
        while true {
            let snapshot = try host.snapshot(withHolders: false)
            try snapshot.expectReadable(prior)
            let plan = ReleasePlanner.plan(
                backTo: prior, in: snapshot, boundByUs: boundByUs, removedByUs: removedByUs, minding: false)
            result.losses = plan.losses
            // A step that did not help is not made again: the next plan would hold it for ever.
            let remaining = plan.steps.filter { !tried.contains($0) }
            guard let rung = remaining.first?.rung else { break }
            for step in remaining.prefix(while: { $0.rung == rung }) {
                tried.append(step)
                perform(step, &result)
            }
            // Nor is anything read that the stuck write keeps locked.
            if result.failures.contains(where: \.isStuck) { break }
        }
        result.losses.forEach { tell(.lost($0)) }
        return result
    }

    private func perform(_ step: PlanStep, _ result: inout Restoration) {
        // A write that is stuck in the kernel may hold the device's lock: the next one would be stuck behind it.
        guard !result.failures.contains(where: \.isStuck) else { return }
        tell(.undoing(step))
        result.performed.append(step)
        do {
            try Executor(host: host, releaseDeadline: releaseDeadline).perform(step)
        } catch {
            tell(.notUndone(error))
            result.failures.append(error)
        }
    }
}

extension Snapshot {
    /// - Throws: When one of the functions is there and could not be read: it would look as if it were gone.
    func expectReadable(_ prior: PriorState) throws(SnapshotError) {
        for found in unreadable where prior.functions.contains(where: { $0.address == found.address }) {
            throw .function(found.address, reason: found.reason)
        }
    }
}
