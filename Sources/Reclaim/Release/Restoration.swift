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
    package var interruption: ReclaimError?

    /// Whether the machine is as it was.
    package var isComplete: Bool { isFinished && losses.isEmpty }

    /// Whether nothing is left to do that could be done.
    package var isFinished: Bool { failures.isEmpty && refusals.isEmpty && interruption == nil }
}

/// How a release ended.
package struct ReleaseOutcome: Sendable {
    package enum Result: Sendable {
        case released
        /// The record is gone and the card stays on vfio-pci, as was asked.
        case kept
        case refused([Refusal])
        /// Some steps failed; the record stays.
        case failed
    }

    package var result: Result
    /// Said before the first write.
    package var announced: [String] = []
    package var restoration = Restoration()

    package init(
        result: Result, announced: [String] = [], restoration: Restoration = Restoration()
    ) {
        self.result = result
        self.announced = announced
        self.restoration = restoration
    }
}
