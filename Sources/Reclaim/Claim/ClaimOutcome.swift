package import Aperture
package import VFIO

/// How a claim ended.
package struct ClaimOutcome: Sendable {
    package enum Result: Sendable {
        /// The card is on vfio-pci with nothing in its BARs; proven unless the proof was not wanted.
        case claimed
        case nothingToDo
        /// Refused by this plan; nothing was written.
        case refused
        case failed(ReclaimError)
    }

    package var result: Result
    /// The first plan: what was meant.
    package var plan: Plan
    /// What was written, in order.
    package var performed: [PlanStep] = []
    /// What was undone after a failure; `nil` when nothing was written, or nothing more may be.
    package var undo: Restoration?
    /// Empty when the proof was not wanted or not reached.
    package var proofs: [RegionProof] = []
    /// Who has a card open that there was nothing to do for; it is not proven anew then.
    package var users: [Holder] = []

    init(result: Result, plan: Plan) {
        self.result = result
        self.plan = plan
    }

    /// Of a plan that refuses; `nil` for another.
    package init?(refusedBy plan: Plan) {
        guard plan.verdict == .refused else { return nil }
        self.init(result: .refused, plan: plan)
    }

    /// How many memory BARs the card has, and how many were mapped.
    package var bars: BARCount { BARCount(proofs) }

    /// Why the claim is not proven although every BAR that is known was mapped; `nil` when it is, or was not tried.
    package var doubt: String? { Self.doubt(proofs) }

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
