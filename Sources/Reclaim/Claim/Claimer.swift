package import Aperture
internal import Record
internal import VFIO

/// Claims a GPU for vfio-pci, rung by rung. It reads a snapshot, makes a plan, does the plan's next rung, and repeats
/// this until a plan has nothing left to do. A rung is therefore taken only while its conflict is still there.
///
/// A claim is a transaction. The prior state is recorded before the first write, and if a step or the proof fails,
/// every write is undone.
package struct Claimer<H: Host> {
    /// How a claim is made.
    package struct Settings: Sendable {
        /// What the plan may do.
        package var options = ClaimOptions()
        /// Whether the claim ends with the proof that every BAR can be mapped.
        package var proves = true
        /// How long to wait for the last close of a framebuffer that a process holds open, in milliseconds.
        package var releaseDeadline: Int32 = 10_000

        /// The settings of a plain `apertured claim`.
        package init() {}
    }

    private let host: H
    private let settings: Settings
    private let tell: (ClaimEvent) -> Void

    /// - Parameter tell: Receives each event; it logs.
    package init(host: H, settings: Settings = Settings(), tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.settings = settings
        self.tell = tell
    }

    /// The plan that a claim would begin with. Nothing is written.
    /// - Throws: ``ReclaimError/snapshot(_:)``.
    package func plan(for address: PCIAddress) throws(ReclaimError) -> Plan {
        Planner.plan(for: address, in: try host.read(.claim(address)), options: host.resolved(settings.options))
    }

    /// Claims the GPU, after it has recovered from an interrupted run. A failure after the first write is in the
    /// outcome.
    /// - Throws: Only before the first write of this claim: when the record or the snapshot cannot be read, or when an
    ///   interrupted run cannot be recovered.
    package func claim(_ address: PCIAddress) throws(ReclaimError) -> ClaimOutcome {
        let former = try recover(address)
        var snapshot = try host.read(.claim(address))
        let standing = former.flatMap { stands($0, in: snapshot) ? $0 : nil }
        let plan = Planner.plan(for: address, in: snapshot, options: host.resolved(settings.options))
        tell(.planned(plan))
        var outcome = ClaimOutcome(result: .nothingToDo, plan: plan)
        switch plan.verdict {
        case .refused: outcome.result = .refused
        case .nothingToDo:
            attempt(&outcome) { (outcome) throws(ReclaimError) in
                outcome.users = settings.proves ? snapshot.holders(of: plan.functions) : []
                if outcome.users.isEmpty {
                    try end(plan.functions, &outcome)
                } else {
                    // VFIO lets nobody else open the card. That a guest uses it is proof enough.
                    tell(.inUse(outcome.users))
                }
                if let standing { return renew(standing, outcome) }
                // The card was on vfio-pci already. A release undoes what the udev rule did, and keeps other changes.
                let prior = PriorState(plan, in: snapshot, beforeRule: true)
                var record = ClaimRecord(gpu: address, state: .claimed, prior: prior, start: prior)
                record.stoppedUnits = former?.stoppedUnits ?? []
                try host.store(completed(record, outcome))
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
            // Also of a claim that no longer counts: nobody else remembers them.
            record.stoppedUnits = former?.stoppedUnits ?? []
            (record.since, record.proof, record.unit) = (standing?.since, standing?.proof, standing?.unit)
            attempt(&outcome) { (outcome) throws(ReclaimError) in
                try host.store(record)
                let functions = try climb(plan, &snapshot, &record, &outcome)
                try end(functions, &outcome)
                try host.store(completed(record, outcome))
            }
            if case .failed(let failure) = outcome.result { undo(record, after: failure, &outcome) }
        }
        return outcome
    }

    // MARK: - Before the first write

    /// Recovers from an interrupted run.
    /// - Returns: The record of the card's finished claim; `nil` when it has none.
    /// - Throws: ``ReclaimError/notRecovered(_:)`` when the recovery is not finished.
    private func recover(_ address: PCIAddress) throws(ReclaimError) -> ClaimRecord? {
        guard let record = try host.loadRecord(of: address) else { return nil }
        if record.state == .claimed { return record }
        let releaser = Releaser(
            host: host, releaseDeadline: settings.releaseDeadline, force: settings.options.force, tell: tell)
        _ = try releaser.recover(record)
        guard let record = try host.loadRecord(of: address) else { return nil }
        // A claim must not begin from a state that is only half recovered.
        guard record.state == .claimed else { throw .notRecovered(record.state) }
        return record
    }

    /// Whether the record is about the card in its present state. It is not when the card was replaced, or when another
    /// driver has it: the recorded prior state then says nothing about the present one. A card without a driver whose
    /// override names the recorded VFIO driver still counts as claimed.
    private func stands(_ record: ClaimRecord, in snapshot: Snapshot) -> Bool {
        record.device == device(record.gpu)
            && record.prior.functions.contains { function in
                guard let current = snapshot.function(at: function.address) else { return false }
                let isFree = current.driver == nil && current.driverOverride == function.vfioDriver
                return isFree || current.isOnVFIO
            }
    }

    private func device(_ address: PCIAddress) -> UInt64? { host.identity(ofDevice: KernelPath.device(address)) }

    // MARK: - The rungs

    /// - Parameter snapshot: What the first plan was made from; then what each later one was made from.
    /// - Returns: The claimed functions, as the last snapshot shows them.
    private func climb(
        _ first: Plan, _ snapshot: inout Snapshot, _ record: inout ClaimRecord, _ outcome: inout ClaimOutcome
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
            try readAgain(first.address, after: rung, &snapshot)
            // A rescan can leave a BAR without room. Its row in `resource` is then empty, as if the BAR did not exist.
            let lost = record.start.lostBARs(in: snapshot)
            guard lost.isEmpty else { throw .lostBARs(lost) }
            plan = Planner.plan(for: first.address, in: snapshot, options: host.resolved(settings.options))
            // Record a framebuffer that appeared meanwhile, so that a release restores it too.
            record.start = record.start.adding(PriorState(plan, in: snapshot, beforeRule: false))
            record.prior = record.prior.adding(PriorState(plan, in: snapshot, beforeRule: true))
            tell(.reread(remaining: plan.conflicts))
        }
        guard plan.verdict == .nothingToDo else { throw .refusedMidway(plan.refusals) }
        return plan.functions
    }

    /// Reads the machine again. The processes are searched for holders only after a rung that waits for them or replaces
    /// the card: no other changes who has the card's nodes open, and the search takes as long as all else together.
    private func readAgain(
        _ address: PCIAddress, after rung: ArraySlice<PlanStep>, _ snapshot: inout Snapshot
    ) throws(ReclaimError) {
        let former = snapshot
        switch rung.last?.rung {
        case .override, .evict, .unbind, .bind:
            snapshot = try host.read(.claim(address), withHolders: false)
            snapshot.holders = former.holders
            snapshot.holdersUnknown = former.holdersUnknown
        default: snapshot = try host.read(.claim(address))
        }
    }

    private func perform(
        _ step: PlanStep, _ record: inout ClaimRecord, _ outcome: inout ClaimOutcome
    ) throws(ReclaimError) {
        try host.heedInterruption()
        switch step.effect {
        case .bind(_, let driver, .pci): record.nativeDrivers.insert(driver)
        case .stop(let unit) where !record.stoppedUnits.contains(unit): record.stoppedUnits.append(unit)
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

    // MARK: - The proof and the undo

    private func end(_ functions: [PCIFunction], _ outcome: inout ClaimOutcome) throws(ReclaimError) {
        guard settings.proves else { return }
        try host.heedInterruption()
        try Proof(host: host, tell: tell).prove(functions, &outcome.proofs)
        try host.heedInterruption()
    }

    private func completed(_ record: ClaimRecord, _ outcome: ClaimOutcome) -> ClaimRecord {
        let isProven = !outcome.proofs.isEmpty && outcome.doubt == nil
        return record.completed(
            at: host.time(), bars: isProven ? outcome.bars.mapped : nil, by: host.ownUnit(),
            device: device(record.gpu))
    }

    /// Records the new proof of a claim that stood already. Without room for that the claim stands all the same.
    private func renew(_ standing: ClaimRecord, _ outcome: ClaimOutcome) {
        guard !outcome.proofs.isEmpty else { return }
        do {
            try host.save(completed(standing, outcome))
        } catch {
            tell(.warning("The new proof is not recorded: \(error)."))
        }
    }

    private func undo(_ record: ClaimRecord, after failure: ReclaimError, _ outcome: inout ClaimOutcome) {
        // A write that is stuck in the kernel holds the device's lock, so nothing more is written to the device. The
        // record stays, and `apertured recover` goes on when the write has returned.
        if case .step(let failure) = failure, failure.isStuck {
            var record = record
            record.stuckWrite = host.stuckWrite(of: failure)
            do {
                try host.save(record)
            } catch {
                // The former record stays.
                tell(.warning("\(error)"))
            }
            return
        }
        do {
            // Force the undo: this claim has just bound the card, so unknown holders are no reason to leave it bound.
            let releaser = Releaser(host: host, releaseDeadline: settings.releaseDeadline, force: true, tell: tell)
            let undo = try releaser.undo(record)
            // Without a performed step there was no write, and so there is nothing to report.
            if !outcome.performed.isEmpty || !undo.performed.isEmpty { outcome.undo = undo }
        } catch {
            var undo = Restoration()
            undo.losses = ["The claim could not be undone: \(error)."]
            undo.losses.forEach { tell(.lost($0)) }
            outcome.undo = undo
        }
    }
}
