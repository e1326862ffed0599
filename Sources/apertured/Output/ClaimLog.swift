internal import Aperture
internal import Configuration
internal import Enabling
internal import Guard
internal import Journal
internal import Reclaim
internal import Record
internal import SystemPackage
internal import VFIO

/// Logs the events of one card: entries with a kind and fields to the journal, lines to a terminal.
struct ClaimLog {
    private let log: Log
    private let address: PCIAddress

    init(address: PCIAddress, threshold: Priority = .info) {
        self.init(address: address, log: Log.forProcess(threshold: threshold))
    }

    init(address: PCIAddress, log: Log) {
        self.address = address
        self.log = log
    }

    // MARK: - Claim, release and undo

    /// Logs what ``Verify`` does not print itself.
    func tellProof(_ event: ClaimEvent) {
        if case .proving = event { tell(event) }
    }

    func tell(_ event: ClaimEvent) {
        unsafe Terminal.progress?.follow(event, of: address)
        switch event {
        case .planned(let plan): tellPlan(plan)
        case .warning(let warning): write(.notRestorable, .warning, warning, [.init(.device, "\(address)")])
        case .notice(let notice): write(nil, .notice, notice, [.init(.device, "\(address)")])
        case .stepping(let step): tellIntention(step, "")
        case .stepped(let step): tellStep(step)
        case .reread(let remaining):
            let owners = remaining.map { "\($0.entry.name) in BAR \($0.bar)" }.joined(separator: ", ")
            write(nil, .debug, "still in the BARs: \(owners.isEmpty ? "nothing" : owners)")
        case .recovering(let state):
            write(nil, .notice, "an earlier run was interrupted while \(state.rawValue): recovering from it first")
        case .releasing: write(.releaseStarted, .info, "releasing the card")
        case .undoing(let step): tellIntention(step, "back: ")
        case .undone(let step) where step.action == .startUnit:
            write(nil, .notice, "systemd starts \(step.target) again", [.init(.step, step.action.rawValue)])
        case .undone(let step): tellCompletion(step)
        case .notUndone(let failure):
            let step = JournalEntry.Field(.step, failure.step.action.rawValue)
            write(.notUndone, .error, failure.description, [step] + errno(failure))
        case .heldBack(let refusal): refuseRelease(refusal)
        case .lost(let sentence): write(.notRestorable, .warning, sentence, [.init(.device, "\(address)")])
        case .inUse(let holders):
            let who = Set(holders.map(\.description)).sorted().joined(separator: ", ")
            write(nil, .notice, "on vfio-pci already, and not proven again because it is in use: \(who)")
        case .proving(let functions):
            let names = functions.map(\.description).joined(separator: ", ")
            write(nil, .debug, "mapping every BAR of \(names) through VFIO")
        case .proved(let proofs):
            for proof in proofs { write(nil, .info, "\(proof)", [.init(.bar, "\(proof.bar)")]) }
        }
    }

    private func tellPlan(_ plan: Plan) {
        guard plan.verdict == .claim else { return }
        write(.claimStarted, .info, "claiming \(plan.functions.map(\.address.description).joined(separator: ", "))")
        for conflict in plan.conflicts {
            let id: MessageID? = conflict.residue != nil ? .residueFound : nil
            write(id, .info, "BAR \(conflict.bar) holds \(conflict.entry.name)", [.init(.bar, "\(conflict.bar)")])
        }
    }

    private func tellIntention(_ step: PlanStep, _ prefix: String) {
        let text = "\(prefix)\(step.rung.rawValue): \(step.action.rawValue) \(step.target): \(step.reason)"
        write(.stepIntended, .info, text, [.init(.step, step.action.rawValue), .init(.device, step.target)])
    }

    private func tellStep(_ step: PlanStep) {
        let device = [JournalEntry.Field(.device, step.target), .init(.step, step.action.rawValue)]
        switch step.action {
        case .unbindFramebuffer: write(.framebufferEvicted, .info, "evicted \(step.target)", device)
        case .handOverConsole: write(.consoleHandedOver, .info, "handed over to \(step.target)", device)
        case .unbindDriver: write(.driverUnbound, .info, "unbound \(step.target)", device)
        case .stopUnit: write(nil, .notice, "stopped \(step.target)", [.init(.step, step.action.rawValue)])
        case .rescanBus, .bindNative:
            write(.rungTaken, .info, "took the rung \(step.rung.rawValue)", [.init(.rung, step.rung.rawValue)])
        default: tellCompletion(step)
        }
    }

    /// For steps whose intention says it all.
    private func tellCompletion(_ step: PlanStep) {
        write(nil, .debug, "\(step.action.rawValue) of \(step.target) was read back: done")
    }

    // MARK: - Outcomes

    func succeed(_ outcome: ClaimOutcome) {
        guard case .claimed = outcome.result else { return }
        if let doubt = outcome.doubt {
            return write(nil, .warning, "claimed, \(outcome.bars), and not proven: \(doubt)")
        }
        let how = outcome.proofs.isEmpty ? "claimed, not verified" : "claimed and proven: \(outcome.bars)"
        write(outcome.proofs.isEmpty ? nil : .claimedAndProven, .notice, how)
    }

    func refuse(_ refusal: Refusal) {
        refuse(.claimRefused, refusal)
    }

    func refuseRelease(_ refusal: Refusal) {
        refuse(.releaseRefused, refusal)
    }

    private func refuseByConfiguration(_ refusal: Refusal) {
        refuse(.configurationMismatch, refusal)
    }

    func fail(_ error: some Error) {
        write(.failed, .error, "\(error)")
    }

    func fail(_ failure: ReclaimError, undo: Restoration?) {
        var fields: [JournalEntry.Field] = []
        if case .step(let failure) = failure {
            fields = [.init(.step, failure.step.action.rawValue), .init(.device, failure.step.target)] + errno(failure)
            if let code = failure.code { fields.append(.init(.code, code.rawValue)) }
        }
        write(.claimFailed, .error, failure.description, fields)
        guard let undo else { return }
        if undo.isComplete { write(.undone, .notice, "everything is as it was") }
        if !undo.isFinished { adviseRecovery() }
    }

    private func adviseRecovery() {
        write(
            nil, .notice, "not everything could be undone yet: when the cause is gone, run `apertured recover`")
    }

    func recovered(_ result: Restoration) {
        let how = result.isComplete ? "everything is as it was" : "not everything could be restored"
        if result.isFinished { write(.recovered, .notice, "recovered from an interrupted run: \(how)") }
        if !result.isFinished { adviseRecovery() }
    }

    func undidRule(_ result: Restoration) {
        let how = result.isComplete ? "everything is as it was" : "not everything could be restored"
        write(.ruleTakenBack, .notice, "not claimed, so the udev rule's reservation is undone: \(how)")
    }

    func released() { write(.released, .notice, "released") }

    /// For metrics or counters that could not be written.
    func metricsMissing(_ reason: String) { write(nil, .warning, reason) }

    // MARK: - The guard

    func back() { write(nil, .notice, "the card is back already: the unit starts again") }

    /// For an enabled unit whose card the initramfs did not reserve, although it could.
    func notReservedEarly(_ enablement: Enablement) {
        guard enablement.isEnabled == true else { return }
        switch enablement.image {
        case .absent: write(.notReservedEarly, .notice, "the initramfs of this boot did not reserve the card")
        case .passedOver(let reason):
            write(.notReservedEarly, .notice, "the initramfs of this boot did not reserve the card: \(reason)")
        case .reserved, .noTool: break
        case .unknown(let reason):
            write(nil, .notice, "it is not known whether the initramfs has reserved the card: \(reason)")
        }
    }

    func switchedOff() {
        write(.automaticStartOff, .warning, "apertured=off on the kernel command line: doing nothing")
    }

    func tell(_ event: GuardEvent) {
        switch event {
        // What it does comes next.
        case .begins: break
        case .recovered(let result): recovered(result)
        case .configurationWarning(let warning): warn(warning)
        case .guardedByOther(let name): refuse(.guardedByOther(name))
        case .released: released()
        case .releaseRefused(let refusal): refuseRelease(refusal)
        case .ruleUndone(let result): undidRule(result)
        case .configurationRefused(let refusal): refuseByConfiguration(refusal)
        case .claim(let event): tell(event)
        case .waiting(let holders):
            let who = holders.map(\.description).joined(separator: ", ")
            write(.waitingForUsers, .notice, "in use while the machine boots, so the claim waits: \(who)")
        case .endingSplash(let splash): write(nil, .notice, "asking the boot splash to end: \(splash)")
        case .splashNotAsked(let reason): write(nil, .warning, "the boot splash could not be asked to end: \(reason)")
        case .claimed(let outcome): succeed(outcome)
        case .claimRefused(let refusal): refuse(refusal)
        case .claimFailed(let failure, let undo): fail(failure, undo: undo)
        case .guarding: write(.guardStarted, .info, "guarding")
        case .stopped: write(.guardStopped, .info, "the guard ends")
        case .statusNotTold(let reason): Terminal.warn(reason, about: address)
        case .lateFramebuffer(let conflict):
            write(
                .lateFramebuffer, .warning, "\(conflict.entry.name) appeared in BAR \(conflict.bar): evicting it",
                late(conflict))
        case .lateFramebufferInUse(let conflict, let holders):
            let who = holders.map(\.description).joined(separator: ", ")
            write(
                .lateFramebufferInUse, .warning,
                "\(conflict.entry.name) appeared in BAR \(conflict.bar) of a card in use (\(who)): left alone",
                late(conflict))
        case .takenAway(let function, let driver):
            let who = driver.map { "is bound to \($0)" } ?? "has no driver"
            write(.takenAway, .warning, "\(function) was taken away: it \(who)", [.init(.device, "\(function)")])
        case .dead(let function):
            write(
                .deviceDead, .warning, "\(function) is dead: its configuration reads 0xff throughout",
                [.init(.device, "\(function)")])
        case .releasedByOther:
            write(.releasedByOther, .warning, "released by someone else: no longer guarded")
        case .sound: write(nil, .notice, "the claim is as it should be again")
        case .gone: write(.deviceGone, .notice, "the card is gone from the machine")
        case .ueventsLost: write(.ueventsLost, .warning, "events were lost: reading everything again")
        case .failed(let reason): write(.failed, .error, reason)
        }
    }

    private func warn(_ warning: ConfigurationWarning) {
        write(
            .configurationWarning, .warning, "\(warning)",
            [
                .init(.configurationFile, warning.place.file), .init(.configurationLine, "\(warning.place.line)"),
            ])
    }

    private func late(_ conflict: Conflict) -> [JournalEntry.Field] {
        [.init(.device, conflict.device ?? conflict.entry.name), .init(.bar, "\(conflict.bar)")]
    }

    // MARK: - Entries

    private func errno(_ failure: StepFailure) -> [JournalEntry.Field] {
        failure.errno.map { [.init(.errno, "\($0.rawValue)")] } ?? []
    }

    private func refuse(_ id: MessageID, _ refusal: Refusal) {
        write(id, .error, "\(refusal)", [.init(.code, refusal.code.rawValue)], isRefusal: true)
    }

    private func write(
        _ id: MessageID?, _ priority: Priority, _ message: String, _ fields: [JournalEntry.Field] = [],
        isRefusal: Bool = false
    ) {
        unsafe Terminal.progress?.clear()
        log.write(
            JournalEntry(
                id, priority, message, [.init(.gpu, "\(address)")] + fields, about: "\(address)", isRefusal: isRefusal))
    }
}
