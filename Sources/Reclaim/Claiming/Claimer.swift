package import Aperture
internal import VFIO

/// Takes a GPU to vfio-pci, rung by rung: snapshot, plan, the plan's next rung, and again, until a plan has nothing left
/// to do. A rung is therefore taken only if what it is for is still there.
package struct Claimer<H: Host> {
    package struct Settings: Sendable {
        package var options = ClaimOptions()
        /// Whether every BAR must be mapped at the end.
        package var proves = true
        /// How long a framebuffer that someone holds open is waited for, in milliseconds.
        package var releaseDeadline: Int32 = 10_000

        package init() {}
    }

    private let host: H
    private let settings: Settings
    private let tell: (ClaimEvent) -> Void

    package init(host: H, settings: Settings = Settings(), tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.settings = settings
        self.tell = tell
    }

    /// The plan that a claim would begin with.
    package func plan(for address: PCIAddress) throws(SnapshotError) -> Plan {
        Planner.plan(for: address, in: try host.snapshot(withHolders: true), options: settings.options)
    }

    /// - Throws: Only when the first snapshot cannot be read; then nothing was written.
    package func claim(_ address: PCIAddress) throws(SnapshotError) -> ClaimOutcome {
        let plan = try plan(for: address)
        tell(.planned(plan))
        var outcome = ClaimOutcome(result: .nothingToDo, plan: plan)
        if plan.verdict == .refused {
            outcome.result = .refused
            return outcome
        }
        plan.warnings.forEach { tell(.warning($0)) }
        do throws(ClaimFailure) {
            let functions = try climb(plan, &outcome)
            if settings.proves { try prove(functions, &outcome) }
        } catch {
            outcome.result = .failed(error)
        }
        return outcome
    }

    /// Opens the GPU's functions through VFIO and maps every BAR.
    /// - Throws: When VFIO refuses a call, when a BAR cannot be mapped, or when there is none to map.
    package func prove(_ functions: [PCIFunction], _ outcome: inout ClaimOutcome) throws(ClaimFailure) {
        tell(.proving(functions.map(\.address)))
        let grouped = functions.compactMap { function in
            function.iommuGroup.map { (address: function.address, group: $0.number) }
        }
        do {
            outcome.proofs = try host.prove(grouped)
        } catch {
            throw .vfio(error)
        }
        tell(.proved(outcome.proofs))
        let isProven = outcome.proofs.contains { $0.outcome == .mapped } && !outcome.proofs.contains(where: \.hasFailed)
        guard isProven else { throw .unproven(outcome.proofs) }
    }

    /// - Returns: The claimed functions, as the last snapshot shows them.
    private func climb(_ first: Plan, _ outcome: inout ClaimOutcome) throws(ClaimFailure) -> [PCIFunction] {
        var plan = first
        var taken: [ArraySlice<PlanStep>] = []
        while plan.verdict == .claim {
            let rung = plan.nextRung
            if let name = rung.first?.rung, taken.contains(rung) {
                throw .noProgress(name, remaining: plan.conflicts)
            }
            taken.append(rung)
            try perform(rung, &outcome)
            outcome.result = .claimed
            do {
                plan = try self.plan(for: first.address)
            } catch {
                throw .snapshot(error)
            }
            tell(.reread(remaining: plan.conflicts))
        }
        guard plan.verdict == .nothingToDo else { throw .refusedMidway(plan.refusals) }
        return plan.functions
    }

    private func perform(_ rung: ArraySlice<PlanStep>, _ outcome: inout ClaimOutcome) throws(ClaimFailure) {
        for step in rung {
            tell(.stepping(step))
            outcome.performed.append(step)
            do {
                try Executor(host: host, releaseDeadline: settings.releaseDeadline).perform(step)
            } catch {
                throw .step(error)
            }
            tell(.stepped(step))
        }
    }
}
