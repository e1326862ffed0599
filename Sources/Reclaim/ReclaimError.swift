package import Aperture
package import Record
package import VFIO

/// Why a claim, a release or a look at a card did not end well: the error of this module's entry points.
package enum ReclaimError: Error, Sendable {
    /// The machine could not be read.
    case snapshot(SnapshotError)
    case record(RecordError)
    /// A write of an earlier run has still not come back from the kernel.
    case stuck(ClaimRecord.StuckWrite)
    /// An earlier run was cut short and cannot be settled yet.
    case unsettled(ClaimRecord.State)
    /// A signal asked for the end.
    case interrupted(by: String)
    case step(StepFailure)
    /// After a rung, the next plan refuses to go on.
    case refusedMidway([Refusal])
    /// A rung was taken and the same one is needed again.
    case noProgress(PlanStep.Rung, remaining: [Conflict])
    /// The claim's own rescan cost the card a BAR, each a sentence.
    case lostBARs([String])
    case vfio(VFIOError)
    case unproven([ProofComplaint])
}

extension ReclaimError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .snapshot(let error): error.description
        case .record(let error): error.description
        case .stuck(let write):
            "an earlier write to \(write.path) is still stuck in the kernel (pid \(write.process)): nothing more is "
                + "written to the card. When the kernel lets go, `apertured recover` goes on; if it never does, only a "
                + "reboot helps"
        case .unsettled(let state):
            "an earlier run was cut short while \(state.rawValue) and cannot be settled yet: see what was said, then run "
                + "`apertured recover`"
        case .interrupted(let signal): "interrupted by \(signal)"
        case .step(let failure): failure.description
        case .refusedMidway(let refusals):
            "cannot go on: " + refusals.map(\.description).joined(separator: "; ")
        case .noProgress(let rung, let remaining):
            "rung \(rung.rawValue) was taken and did not help: "
                + remaining.map { "BAR \($0.bar) still holds \($0.entry)" }.joined(separator: ", ")
        case .lostBARs(let lost):
            "\(Refusal.Code.barUnassigned.rawValue): the rescan cost the card a BAR: \(lost.joined(separator: "; ")). Boot "
                + "anew, with Above 4G Decoding switched on in the firmware or with pci=realloc"
        case .vfio(let error): "not proven: \(error)"
        case .unproven(let complaints): "not proven: " + complaints.map(\.description).joined(separator: "; ")
        }
    }
}
