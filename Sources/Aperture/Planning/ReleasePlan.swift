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
