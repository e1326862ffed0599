package import Aperture
package import VFIO

/// What a claim tells while it goes on. An intended write is told before it is made: an unbind can hang in the kernel.
package enum ClaimEvent: Sendable {
    case planned(Plan)
    case warning(String)
    case stepping(PlanStep)
    case stepped(PlanStep)
    /// The snapshot was read anew after a rung; with what is still in the BARs.
    case reread(remaining: [Conflict])
    case proving([PCIAddress])
    case proved([RegionProof])
}
