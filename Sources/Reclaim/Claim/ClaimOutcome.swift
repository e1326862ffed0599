package import Aperture
package import Record
package import VFIO

/// How a claim ended.
package struct ClaimOutcome: Sendable {
    /// What the claim came to.
    package enum Result: Sendable {
        /// The card is on vfio-pci with nothing in its BARs, and proven unless the caller wanted no proof.
        case claimed
        /// The card was on vfio-pci already, with nothing in its BARs.
        case nothingToDo
        /// The plan refuses the claim; nothing was written.
        case refused
        /// A step or the proof failed; ``ClaimOutcome/undo`` tells what was undone.
        case failed(ReclaimError)
    }

    /// What the claim came to.
    package var result: Result
    /// The first plan of the claim.
    package var plan: Plan
    /// The steps whose writes were begun, in order.
    package var performed: [PlanStep] = []
    /// What was undone after a failure; `nil` when nothing was written, or when a stuck write forbids the undo.
    package var undo: Restoration?
    /// The results of the proof; empty when it was not wanted or not reached.
    package var proofs: [RegionProof] = []
    /// The processes that have the card open, when there was nothing to do. The card is then not proven again.
    package var users: [Holder] = []

    init(result: Result, plan: Plan) {
        self.result = result
        self.plan = plan
    }

    /// The outcome of a plan that refuses; `nil` for any other plan.
    package init?(refusedBy plan: Plan) {
        guard plan.verdict == .refused else { return nil }
        self.init(result: .refused, plan: plan)
    }

    /// How many memory BARs the card has, and how many were mapped.
    package var bars: BARCount { BARCount(proofs) }

    /// Why the claim is not proven although every known BAR was mapped; `nil` without a doubt or without a proof.
    package var doubt: String? { Self.doubt(proofs) }

    /// The doubts among these results, joined by semicolons; `nil` when there is none.
    package static func doubt(_ proofs: [RegionProof]) -> String? {
        let doubts = proofs.filter(\.isDoubt)
        return doubts.isEmpty ? nil : doubts.map(\.description).joined(separator: "; ")
    }

    /// The rungs that were taken, in order.
    package var rungs: [PlanStep.Rung] {
        performed.map(\.rung).reduce(into: []) { rungs, rung in
            if rungs.last != rung { rungs.append(rung) }
        }
    }
}

/// The progress of a claim, a release or an undo. A step is reported before its write, because an unbind can hang in
/// the kernel.
package enum ClaimEvent: Sendable {
    /// The first plan is made; it may be a refusal.
    case planned(Plan)
    /// A warning of the plan, one sentence.
    case warning(String)
    /// Something that the host cannot use while the card is claimed, one sentence.
    case notice(String)
    /// A step of the claim is about to be made.
    case stepping(PlanStep)
    /// A step was made and read back.
    case stepped(PlanStep)
    /// A new snapshot was read after a rung; with the conflicts that are left.
    case reread(remaining: [Conflict])
    /// A release is about to begin, as nothing prevents it.
    case releasing
    /// The record of an interrupted run was found, and is recovered first.
    case recovering(ClaimRecord.State)
    /// A step of a release or an undo is about to be made.
    case undoing(PlanStep)
    /// A step of a release or an undo was made and read back.
    case undone(PlanStep)
    /// A step of a release or an undo failed.
    case notUndone(StepFailure)
    /// A release or an undo stops, because a process has the card open.
    case heldBack(Refusal)
    /// Something cannot be restored, one sentence.
    case lost(String)
    /// There is nothing to do, and the proof is left out because these processes have the card open.
    case inUse([Holder])
    /// The proof of these functions begins.
    case proving([PCIAddress])
    /// The proof has tried every BAR; with the results, which may be failures.
    case proved([RegionProof])
}
