package import Aperture

/// What came of going back to a prior state.
package struct Restoration: Sendable {
    package var performed: [PlanStep] = []
    /// Steps of the way back that failed; the others were made all the same.
    package var failures: [StepFailure] = []
    /// What cannot be as it was, each a sentence.
    package var losses: [String] = []
    /// Why it stopped: someone has the card open, and an unbind would block in the kernel.
    package var refusals: [Refusal] = []
    /// Why it stopped: the machine could no longer be read.
    package var interruption: SnapshotError?

    /// Whether the machine is as it was.
    package var isComplete: Bool { isFinished && losses.isEmpty }

    /// Whether nothing is left to do that could be done.
    package var isFinished: Bool { failures.isEmpty && refusals.isEmpty && interruption == nil }
}

/// Takes a card back to a prior state, rung by rung like the claim: whatever happened between, only what is and what
/// was decide. A step that fails is named, and the others are made all the same.
package struct Restorer<H: Host> {
    private let host: H
    private let card: PCIAddress
    private let tell: (ClaimEvent) -> Void
    /// How long a framebuffer that someone holds open is waited for, in milliseconds.
    private let releaseDeadline: Int32
    private let force: Bool

    /// - Parameter force: Go on where it is not known who has the card open.
    package init(
        host: H, card: PCIAddress, releaseDeadline: Int32, force: Bool = false, tell: @escaping (ClaimEvent) -> Void
    ) {
        self.card = card
        self.force = force
        self.releaseDeadline = releaseDeadline
        self.host = host
        self.tell = tell
    }

    /// - Parameter isClaimed: Whether the card is claimed in that state, by an earlier run.
    /// - Throws: When the machine cannot be read, and nothing was written yet.
    package func restore(
        _ prior: PriorState, isClaimed: Bool = false, boundByUs: Set<String>, removedByUs: Bool,
        unloadedByUs: [String] = []
    ) throws(SnapshotError) -> Restoration {
        var result = Restoration()
        var tried: [PlanStep] = []
        while true {
            guard let snapshot = try read(prior, &result) else { break }
            let plan = ReleasePlanner.plan(
                backTo: prior, isClaimed: isClaimed, in: snapshot, boundByUs: boundByUs, removedByUs: removedByUs,
                unloadedByUs: unloadedByUs, ignoresUnknownHolders: force)
            result.losses = plan.losses
            result.refusals = plan.refusals
            // A step that did not help is not made again: the next plan would hold it for ever.
            let remaining = plan.steps.filter { !tried.contains($0) }
            guard let rung = remaining.first?.rung else { break }
            for step in remaining.prefix(while: { $0.rung == rung }) {
                tried.append(step)
                perform(step, &result)
            }
            // Nor is anything read that the stuck write keeps locked, nor given back what its driver has not let go of: a
            // framebuffer would draw over it.
            if result.failures.contains(where: { $0.isStuck || $0.step.action == .unbindDriver }) { break }
        }
        result.refusals.forEach { tell(.heldBack($0)) }
        result.losses.forEach { tell(.lost($0)) }
        return result
    }

    /// How often a device is looked at whose files are not all there, and how long it gets between two looks.
    private static var mostLooks: Int { 20 }
    private static var interval: Int32 { 100 }

    private func read(_ prior: PriorState, _ result: inout Restoration) throws(SnapshotError) -> Snapshot? {
        do {
            var snapshot = try host.snapshot(.release(card), withHolders: true)
            var looks = 1
            while looks < Self.mostLooks, snapshot.isAppearing(prior) {
                host.pause(milliseconds: Self.interval)
                snapshot = try host.snapshot(.release(card), withHolders: true)
                looks += 1
            }
            try snapshot.expectReadable(prior)
            return snapshot
        } catch {
            guard !result.performed.isEmpty else { throw error }
            result.interruption = error
            tell(.lost("What is left to do is not known: \(error)."))
            return nil
        }
    }

    private func perform(_ step: PlanStep, _ result: inout Restoration) {
        // A write that is stuck in the kernel may hold the device's lock: the next one would be stuck behind it.
        guard !result.failures.contains(where: \.isStuck) else { return }
        tell(.undoing(step))
        result.performed.append(step)
        do {
            try Executor(host: host, scope: .release(card), releaseDeadline: releaseDeadline).perform(step)
        } catch {
            tell(.notUndone(error))
            result.failures.append(error)
        }
    }
}

extension Snapshot {
    /// Whether one of the functions is there with some of its files missing, which passes.
    fileprivate func isAppearing(_ prior: PriorState) -> Bool {
        unreadable.contains { found in
            found.isPassing && prior.functions.contains { $0.address == found.address }
        }
    }

    /// - Throws: When one of the functions is there and could not be read: it would look as if it were gone. Or one of the
    ///   framebuffers: it would look as if nobody had set its override. Or one of the consoles: it would look unbound.
    func expectReadable(_ prior: PriorState) throws(SnapshotError) {
        for found in unreadable where prior.functions.contains(where: { $0.address == found.address }) {
            throw .device(found.address.description, reason: found.reason)
        }
        for found in platformFramebuffers where prior.framebuffers.contains(where: { $0.name == found.name }) {
            if let reason = found.unreadable { throw .device(found.name, reason: reason) }
        }
        for found in consoles where prior.consoles.contains(found.number) {
            if let reason = found.unreadable { throw .device("vtcon\(found.number)", reason: reason) }
        }
    }
}
