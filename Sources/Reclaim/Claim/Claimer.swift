package import Aperture
internal import Record
internal import VFIO

/// Takes a GPU to vfio-pci, rung by rung: snapshot, plan, the plan's next rung, and again, until a plan has nothing left
/// to do. A rung is therefore taken only if what it is for is still there.
///
/// It is a transaction: what was there before is recorded before the first write, and a step that fails, or a proof that
/// does, takes everything back.
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
    package func plan(for address: PCIAddress) throws(ReclaimError) -> Plan {
        Planner.plan(for: address, in: try host.read(.claim(address)), options: settings.options)
    }

    /// - Throws: Only before the first write of this claim.
    package func claim(_ address: PCIAddress) throws(ReclaimError) -> ClaimOutcome {
        let record = try settle(address)
        let snapshot = try host.read(.claim(address))
        let standing = record.flatMap { stands($0, in: snapshot) ? $0 : nil }
        let plan = Planner.plan(for: address, in: snapshot, options: settings.options)
        tell(.planned(plan))
        var outcome = ClaimOutcome(result: .nothingToDo, plan: plan)
        switch plan.verdict {
        case .refused: outcome.result = .refused
        case .nothingToDo:
            attempt(&outcome) { (outcome) throws(ReclaimError) in
                outcome.users = settings.proves ? plan.functions.flatMap(snapshot.holders(of:)) : []
                if outcome.users.isEmpty {
                    try end(plan.functions, &outcome)
                } else {
                    // VFIO lets nobody else in: a guest is the proof that the card can be used.
                    tell(.inUse(outcome.users))
                }
                guard standing == nil else { return }
                // On vfio-pci already. What the udev rule did is what a release takes back; what someone else did stays.
                let prior = PriorState(plan, in: snapshot, beforeRule: true)
                try host.store(
                    ClaimRecord(gpu: address, state: .claimed, prior: prior, start: prior, device: device(address)))
                if plan.functions.contains(where: \.isOverriddenByRule) { outcome.result = .claimed }
            }
        case .claim:
            plan.warnings.forEach { tell(.warning($0)) }
            plan.notices.forEach { tell(.notice($0)) }
            let prior = PriorState(plan, in: snapshot, beforeRule: true)
            var record = ClaimRecord(
                gpu: address, state: .claiming, prior: standing?.prior.adding(prior) ?? prior,
                start: PriorState(plan, in: snapshot, beforeRule: false), wasClaimed: standing != nil,
                device: device(address))
            record.unloadedModules = standing?.unloadedModules ?? []
            attempt(&outcome) { (outcome) throws(ReclaimError) in
                try host.store(record)
                let functions = try climb(plan, &record, &outcome)
                try end(functions, &outcome)
                try host.store(record.standing(of: device(address)))
            }
            if case .failed(let failure) = outcome.result { undo(record, after: failure, &outcome) }
        }
        return outcome
    }

    // MARK: - Before

    /// A run that was cut short is settled first.
    /// - Returns: The card's standing claim, if it has one.
    private func settle(_ address: PCIAddress) throws(ReclaimError) -> ClaimRecord? {
        guard let record = try host.loadRecord(of: address) else { return nil }
        if record.state == .claimed { return record }
        let releaser = Releaser(
            host: host, releaseDeadline: settings.releaseDeadline, force: settings.options.force, tell: tell)
        _ = try releaser.recover(record)
        guard let record = try host.loadRecord(of: address) else { return nil }
        // What could not be settled now must not be built upon.
        guard record.state == .claimed else { throw .unsettled(record.state) }
        return record
    }

    /// Whether the record is about the card that is there: of one that was replaced, or taken away and never given back,
    /// what was before says nothing of what is there now. A card without a driver that only VFIO may have is not taken
    /// away.
    private func stands(_ record: ClaimRecord, in snapshot: Snapshot) -> Bool {
        record.device == device(record.gpu)
            && record.prior.functions.contains { function in
                guard let current = snapshot.function(at: function.address) else { return false }
                let isFree = current.driver == nil && current.driverOverride == function.vfioDriver
                return isFree || current.isOnVFIO
            }
    }

    private func device(_ address: PCIAddress) -> UInt64? { host.identity(ofDevice: KernelPath.device(address)) }

    // MARK: - The climb

    /// - Returns: The claimed functions, as the last snapshot shows them.
    private func climb(
        _ first: Plan, _ record: inout ClaimRecord, _ outcome: inout ClaimOutcome
    ) throws(ReclaimError) -> [PCIFunction] {
        var plan = first
        var taken: [ArraySlice<PlanStep>] = []
        while plan.verdict == .claim {
            let rung = plan.nextRung
            if let name = rung.first?.rung, taken.contains(rung) {
                throw .noProgress(name, remaining: plan.conflicts)
            }
            taken.append(rung)
            for step in rung { try perform(step, &record, &outcome) }
            outcome.result = .claimed
            let snapshot = try host.read(.claim(first.address))
            // A rescan can leave a BAR without room, and its row is then as empty as that of none.
            let lost = record.start.lostBARs(in: snapshot)
            guard lost.isEmpty else { throw .lostBARs(lost) }
            plan = Planner.plan(for: first.address, in: snapshot, options: settings.options)
            // A framebuffer that has come meanwhile is given back with the others.
            record.start = record.start.adding(PriorState(plan, in: snapshot, beforeRule: false))
            record.prior = record.prior.adding(PriorState(plan, in: snapshot, beforeRule: true))
            tell(.reread(remaining: plan.conflicts))
        }
        guard plan.verdict == .nothingToDo else { throw .refusedMidway(plan.refusals) }
        return plan.functions
    }

    private func perform(
        _ step: PlanStep, _ record: inout ClaimRecord, _ outcome: inout ClaimOutcome
    ) throws(ReclaimError) {
        try host.heedInterruption()
        switch step.effect {
        case .bind(_, let driver, .pci): record.nativeDrivers.insert(driver)
        case .unload(let module) where !record.unloadedModules.contains(module): record.unloadedModules.append(module)
        default: break
        }
        record.marks.append(
            ClaimRecord.Mark(
                action: step.action.rawValue, target: step.target, path: step.path, value: step.value))
        try host.store(record)
        tell(.stepping(step))
        outcome.performed.append(step)
        do {
            try Executor(
                host: host, scope: .claim(record.gpu), releaseDeadline: settings.releaseDeadline,
                heedsInterruption: true
            ).perform(step)
        } catch {
            throw .step(error)
        }
        tell(.stepped(step))
    }

    private func attempt(_ outcome: inout ClaimOutcome, _ work: (inout ClaimOutcome) throws(ReclaimError) -> Void) {
        do throws(ReclaimError) {
            try work(&outcome)
        } catch {
            outcome.result = .failed(error)
        }
    }

    // MARK: - The end

    private func end(_ functions: [PCIFunction], _ outcome: inout ClaimOutcome) throws(ReclaimError) {
        guard settings.proves else { return }
        try host.heedInterruption()
        try Proof(host: host, tell: tell).prove(functions, &outcome.proofs)
        try host.heedInterruption()
    }

    private func undo(_ record: ClaimRecord, after failure: ReclaimError, _ outcome: inout ClaimOutcome) {
        // A write that never came back holds the device: nothing more is written to it. The record stays, and
        // `apertured recover` goes on when the kernel has let go.
        if case .step(let failure) = failure, failure.isStuck {
            var record = record
            record.stuckWrite = host.stuckWrite(of: failure)
            do {
                try host.save(record)
            } catch {
                // The record as it was before the write stays.
                tell(.warning("\(error)"))
            }
            return
        }
        do {
            // What is undone has just been done: who could have opened the card meanwhile was not seen before either.
            let releaser = Releaser(host: host, releaseDeadline: settings.releaseDeadline, force: true, tell: tell)
            let undo = try releaser.undo(record)
            // Without a record there was no write: the machine is as it was, whatever became of the record.
            if !outcome.performed.isEmpty || !undo.performed.isEmpty { outcome.undo = undo }
        } catch {
            var undo = Restoration()
            undo.losses = ["What was done could not be taken back: \(error)."]
            undo.losses.forEach { tell(.lost($0)) }
            outcome.undo = undo
        }
    }
}
