package import Aperture
package import Record
package import VFIO

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
