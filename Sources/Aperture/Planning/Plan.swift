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

    /// The steps up to where the snapshot must be read anew. The overrides go with the rung after them: each is read back
    /// by itself, and changes nothing else.
    package var nextRung: ArraySlice<PlanStep> {
        let rest = steps.drop { $0.rung == .override }
        return steps.prefix(steps.count - rest.count + rest.prefix { $0.rung == rest.first?.rung }.count)
    }
}

/// What the person allows for this claim.
package struct ClaimOptions: Hashable, Sendable {
    /// The rung that may be used against residue.
    package var residue = Residue.auto
    /// Native drivers that may probe this card once, by module or driver name.
    package var allowedNativeDrivers: Set<String> = []
    /// Take the GPU alone, and leave the other functions of its slot.
    package var onlyFunction = false
    /// Take every endpoint of the slot.
    package var wholeSlot = false
    /// Functions of the slot that are taken as well.
    package var addedFunctions: Set<PCIAddress> = []
    /// The VFIO driver to bind; `nil` for the best match.
    package var driver: String?
    /// Go on although a process has the GPU's nodes open, where the kernel allows it.
    package var force = false
    /// Unload the host driver's kernel modules that keep the card busy; only nvidia's do.
    package var unloadsNative = false
    /// The system services that a claim may stop when they have the card open, each once. Aliases are resolved before a
    /// plan is made (`Host.unitName`).
    package var stoppableUnits: [String] = []

    /// The defaults: nothing that a person has to allow.
    package init() {}
}

/// What will be written to give a card back, and what cannot come back.
package struct ReleasePlan: Sendable {
    /// In order; empty when there are refusals.
    package let steps: [PlanStep]
    /// Why nothing is written: the card is in use, or it is not known whether it is.
    package let refusals: [Refusal]
    /// What stays different from the recorded state, each a sentence; known before the first write.
    package let losses: [String]

    /// The steps up to where the snapshot must be read anew.
    package var nextRung: ArraySlice<PlanStep> {
        steps.prefix { $0.rung == steps.first?.rung }
    }
}
