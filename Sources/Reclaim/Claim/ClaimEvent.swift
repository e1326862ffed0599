package import Aperture
package import Record
package import VFIO

/// What a claim tells while it goes on. An intended write is told before it is made: an unbind can hang in the kernel.
package enum ClaimEvent: Sendable {
    case planned(Plan)
    case warning(String)
    /// What the host is without while the claim lasts.
    case notice(String)
    case stepping(PlanStep)
    case stepped(PlanStep)
    /// The snapshot was read anew after a rung; with what is still in the BARs.
    case reread(remaining: [Conflict])
    /// A release is about to begin: nothing stands in its way.
    case releasing
    /// A record of a run that was cut short was found, and is settled first.
    case recovering(ClaimRecord.State)
    /// A write of the way back is about to be made.
    case undoing(PlanStep)
    /// One could not be made.
    case notUndone(StepFailure)
    /// The way back stops: someone has the card open.
    case heldBack(Refusal)
    /// Something that cannot be as it was.
    case lost(String)
    /// Nothing is to be done, and the proof would need what these have.
    case inUse([Holder])
    case proving([PCIAddress])
    case proved([RegionProof])
}
