/// What will be done for one GPU, or why not.
package struct Plan: Sendable {
    package enum Verdict: String, Hashable, Sendable {
        case claim
        case nothingToDo = "nothing-to-do"
        case refused
    }

    /// The address that was asked for.
    package let address: PCIAddress
    /// The function found there, if any.
    package let gpu: PCIFunction?
    /// The functions that go to VFIO together, in their slot's order.
    package let functions: [PCIFunction]
    /// The VFIO driver that each of them is to have, or has.
    package let drivers: [PCIAddress: String]
    /// These and the ones that stay, each with the reason.
    package let choices: [FunctionSelection.Choice]
    package let conflicts: [Conflict]
    /// Every platform framebuffer, as seen from this GPU.
    package let attributions: [Attribution]
    package let refusals: [Refusal]
    package let steps: [PlanStep]
    /// What a person should know before the first write: what cannot come back, what is risky.
    package let warnings: [String]
    /// What the host is without while the claim lasts; a release brings it back.
    package let notices: [String]

    package var verdict: Verdict {
        if !refusals.isEmpty { .refused } else if steps.isEmpty { .nothingToDo } else { .claim }
    }

    /// The steps up to where the snapshot must be read anew.
    package var nextRung: ArraySlice<PlanStep> {
        steps.prefix { $0.rung == steps.first?.rung }
    }
}
