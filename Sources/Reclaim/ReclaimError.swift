package import Aperture
package import Record
package import VFIO

/// Why a claim, a release, an undo or a verification failed: the error of this module's entry points.
package enum ReclaimError: Error, Sendable {
    /// The machine could not be read.
    case snapshot(SnapshotError)
    /// The lock or a record could not be taken, read or written.
    case record(RecordError)
    /// A write of an earlier run is still stuck in the kernel.
    case stuck(ClaimRecord.StuckWrite)
    /// An interrupted run could not be recovered; with the state that it is in.
    case notRecovered(ClaimRecord.State)
    /// A signal, by its name, asked the process to stop.
    case interrupted(by: String)
    /// A step failed.
    case step(StepFailure)
    /// After a rung, the next plan refuses to go on.
    case refusedMidway([Refusal])
    /// A rung was taken, and the next plan needs the same rung again.
    case noProgress(PlanStep.Rung, remaining: [Conflict])
    /// BARs that lost their address space in the claim's rescan, one phrase each.
    case lostBARs([String])
    /// VFIO refused a call of the proof.
    case vfio(VFIOError)
    /// The results of the proof do not prove the claim.
    case unproven([ProofComplaint])
}

extension ReclaimError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .snapshot(let error): error.description
        case .record(let error): error.description
        case .stuck(let write):
            "an earlier write to \(write.path) is still stuck in the kernel (pid \(write.process)), so nothing more is "
                + "written to the card. When the write returns, run `apertured recover`; if it never does, only a "
                + "reboot helps"
        case .notRecovered(let state):
            "an earlier run was interrupted while \(state.rawValue) and cannot be recovered yet: see the messages "
                + "above, then run `apertured recover`"
        case .interrupted(let signal): "interrupted by \(signal)"
        case .step(let failure): failure.description
        case .refusedMidway(let refusals):
            "cannot go on: " + refusals.map(\.description).joined(separator: "; ")
        case .noProgress(let rung, let remaining):
            "rung \(rung.rawValue) was taken and did not help: "
                + (rung == .stop
                    ? "the services have the card open again"
                    : remaining.map { "BAR \($0.bar) still holds \($0.entry)" }.joined(separator: ", "))
        case .lostBARs(let lost):
            "\(Refusal.Code.barUnassigned.rawValue): the rescan left a BAR without room: "
                + "\(lost.joined(separator: "; ")). Reboot, with Above 4G Decoding switched on in the firmware or with "
                + "pci=realloc"
        case .vfio(let error): "not proven: \(error)"
        case .unproven(let complaints): "not proven: " + complaints.map(\.description).joined(separator: "; ")
        }
    }
}
