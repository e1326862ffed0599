package import Aperture

/// The result of restoring a recorded state.
package struct Restoration: Sendable {
    /// The steps whose writes were begun, in order.
    package var performed: [PlanStep] = []
    /// The steps that failed; the others were made nevertheless.
    package var failures: [StepFailure] = []
    /// What cannot be restored, one sentence each.
    package var losses: [String] = []
    /// Why it stopped: a process has the card open, and an unbind would block in the kernel.
    package var refusals: [Refusal] = []
    /// Why it stopped: the machine could no longer be read.
    package var interruption: ReclaimError?

    /// Whether the machine is as it was.
    package var isComplete: Bool { isFinished && losses.isEmpty }

    /// Whether nothing is left to do: a later run could not restore more.
    package var isFinished: Bool { failures.isEmpty && refusals.isEmpty && interruption == nil }
}

/// How a release ended.
package struct ReleaseOutcome: Sendable {
    /// What the release came to.
    package enum Result: Sendable {
        /// The host has the card again, and the record is removed.
        case released
        /// The record is removed and the card stays on vfio-pci, as the caller asked.
        case kept
        /// Refused; nothing was written.
        case refused([Refusal])
        /// Some steps failed; the record stays.
        case failed
    }

    /// What the release came to.
    package var result: Result
    /// The losses that were reported before the first write, one sentence each.
    package var announced: [String] = []
    /// What was restored; empty when nothing was written.
    package var restoration = Restoration()

    /// - Parameter announced: The losses that were reported before the first write.
    package init(
        result: Result, announced: [String] = [], restoration: Restoration = Restoration()
    ) {
        self.result = result
        self.announced = announced
        self.restoration = restoration
    }
}
