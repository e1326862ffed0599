package import Aperture
package import Record
package import VFIO

/// How a claim ended.
package struct ClaimOutcome: Sendable {
    package enum Result: Sendable {
        /// The card is on vfio-pci with nothing in its BARs; proven unless the proof was not wanted.
        case claimed
        case nothingToDo
        /// Refused by this plan; nothing was written.
        case refused
        case failed(ClaimFailure)
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

/// Why a claim that had begun did not end well.
package enum ClaimFailure: Error, Sendable {
    case snapshot(SnapshotError)
    case step(StepFailure)
    /// After a rung, the next plan refuses to go on.
    case refusedMidway([Refusal])
    /// A rung was taken and the same one is needed again.
    case noProgress(PlanStep.Rung, remaining: [Conflict])
    /// The claim's own rescan cost the card a BAR, each a sentence.
    case lostBARs([String])
    case record(RecordError)
    /// An earlier run was cut short and cannot be settled yet.
    case unsettled(ClaimRecord.State)
    case stuck(StuckWrite)
    case vfio(VFIOError)
    case unproven([ProofComplaint])
    /// A signal asked for the end.
    case interrupted(by: String)
}

extension ClaimFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .snapshot(let error): error.description
        case .step(let failure): failure.description
        case .refusedMidway(let refusals):
            "cannot go on: " + refusals.map(\.description).joined(separator: "; ")
        case .noProgress(let rung, let remaining):
            "rung \(rung.rawValue) was taken and did not help: "
                + remaining.map { "BAR \($0.bar) still holds \($0.claim)" }.joined(separator: ", ")
        case .lostBARs(let lost):
            "\(Refusal.Code.barUnassigned.rawValue): the rescan cost the card a BAR: \(lost.joined(separator: "; ")). Boot "
                + "anew, with Above 4G Decoding switched on in the firmware or with pci=realloc"
        case .record(let error): error.description
        case .unsettled(let state):
            "an earlier run was cut short while \(state.rawValue) and cannot be settled yet: see what was said, then run "
                + "`apertured recover`"
        case .stuck(let error): error.description
        case .vfio(let error): "not proven: \(error)"
        case .interrupted(let signal): "interrupted by \(signal)"
        case .unproven(let complaints): "not proven: " + complaints.map(\.description).joined(separator: "; ")
        }
    }
}
