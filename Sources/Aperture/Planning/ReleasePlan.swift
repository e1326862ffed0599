/// What will be written to give a card back, and what cannot come back.
package struct ReleasePlan: Sendable {
    package let steps: [PlanStep]
    package let refusals: [Refusal]
    /// What stays different, each a sentence; known before the first write.
    package let losses: [String]

    /// The steps up to where the snapshot must be read anew.
    package var nextRung: ArraySlice<PlanStep> {
        steps.prefix { $0.rung == steps.first?.rung }
    }
}
