/// Everything that decides whether a guest will get a card, from a plan, the snapshot that it was made from, and some
/// facts beside: a pure function.
///
/// What stops a claim is the plan's to say: each obstacle is one of its refusals. One more is no part of a plan: a record
/// that a claim cannot use.
package enum Diagnosis {
    /// How one card stands: the obstacles in the order of what to mend first, then the rest by subject.
    package static func findings(on plan: Plan, in snapshot: Snapshot, _ facts: HostFacts) -> [Finding] {
        let obstacles = plan.refusals.enumerated().sorted { left, right in
            (left.element.code.urgency, left.offset) < (right.element.code.urgency, right.offset)
        }.map { Finding($0.element) }
        guard let gpu = plan.gpu, gpu.pciClass.isGPU else { return obstacles }
        let findings =
            CardFindings(gpu: gpu, plan: plan, snapshot: snapshot, facts: facts).all
            + WishFindings(gpu: gpu, plan: plan, snapshot: snapshot, facts: facts).all
        return obstacles + findings.filter { $0.mark == .obstacle } + findings.filter { $0.mark != .obstacle }
    }

    /// How the machine stands, whatever the card. None of it is an obstacle.
    package static func findings(onMachineOf snapshot: Snapshot, _ facts: HostFacts) -> [Finding] {
        MachineFindings(snapshot: snapshot, facts: facts).all
    }
}

extension Array where Element == Finding {
    /// Whether nothing stops a claim.
    package var allowClaim: Bool { !contains { $0.mark == .obstacle } }
}
