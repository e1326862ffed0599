/// What will be done for one GPU, or why not.
package struct Plan: Sendable {
    /// What a plan comes to.
    package enum Verdict: String, Hashable, Sendable {
        /// There are steps to do.
        case claim
        /// Neither steps nor refusals: the GPU is on VFIO, with no conflict in its BARs.
        case nothingToDo = "nothing-to-do"
        /// There are refusals, and nothing is written.
        case refused
    }

    /// The address that was asked for.
    package let address: PCIAddress
    /// The function found there, if any.
    package let gpu: PCIFunction?
    /// The functions that go to VFIO together, in the order of their addresses.
    package let functions: [PCIFunction]
    /// The VFIO driver that each of them gets, or has already.
    package let drivers: [PCIAddress: String]
    /// These functions and those that stay, each with the reason.
    package let choices: [FunctionSelection.Choice]
    /// What is in the GPU's BARs and must go.
    package let conflicts: [Conflict]
    /// Every platform framebuffer, as seen from this GPU.
    package let attributions: [Attribution]
    /// Why the GPU is not claimed; empty when it can be.
    package let refusals: [Refusal]
    /// In order, by rung; empty when there are refusals.
    package let steps: [PlanStep]
    /// What a person should know before the first write: what cannot come back, what is risky.
    package let warnings: [String]
    /// What the host loses while the claim lasts; a release brings it back.
    package let notices: [String]

    /// Follows from the refusals and the steps.
    package var verdict: Verdict {
        if !refusals.isEmpty { .refused } else if steps.isEmpty { .nothingToDo } else { .claim }
    }

    /// The steps up to where the snapshot must be read anew.
    package var nextRung: ArraySlice<PlanStep> {
        steps.prefix { $0.rung == steps.first?.rung }
    }
}
