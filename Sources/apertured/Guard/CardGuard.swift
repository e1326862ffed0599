internal import Aperture
internal import Configuration
internal import Guard
internal import Journal
internal import Record
internal import Reclaim
internal import Sysfs
internal import VFIO

/// One card's guard: settles what an earlier run left, claims the card, and looks after it until there is nothing left to
/// look after. Tells the journal what happens, and the service manager how it stands.
final class CardGuard {
    /// Until something that may pass is looked at again.
    private static let suspicion: Int64 = 2000
    /// Until an eviction is tried again that another run of apertured was in the way of.
    private static let patience: Int64 = 5000

    private let address: PCIAddress
    private let host: MachineHost
    private let lockMilliseconds: Int32
    private let log: ClaimLog
    private let notifier: ServiceNotifier
    private let loop: GuardLoop

    private var options = ClaimOptions()
    private var guardian: Guardian<MachineHost>
    /// How the last claim ended, for the status line.
    private var claimed = ""
    /// Why the last reload changed nothing.
    private var reloadComplaint: String?

    /// Listens from now on, before anything is claimed: what happens in between is not missed.
    init(
        _ address: PCIAddress, host: MachineHost, lockMilliseconds: Int32, log: ClaimLog, notifier: ServiceNotifier
    ) throws {
        self.address = address
        self.lockMilliseconds = lockMilliseconds
        self.log = log
        self.notifier = notifier
        let loop = try GuardLoop(card: address, notifier: notifier)
        var host = host
        // What hangs takes as long as its deadline, and more than one thing can hang.
        host.tick = loop.giveSign
        self.loop = loop
        self.host = host
        guardian = Guardian(host: host, address: address, options: options, tell: log.tell)
    }

    /// - Throws: ``ExitStatus``, when it was said why.
    func run() throws {
        do {
            try start()
        } catch RecordError.interrupted {
            // Another run was at work, and nothing was begun.
            return try stop()
        }
        try look()
        while true {
            switch try loop.next() {
            case .stop: return try stop()
            case .reload:
                try reload()
            case .change(let areEventsLost):
                if areEventsLost { log.tell(.ueventsLost) }
                try look()
            }
        }
    }

    private func start() throws {
        try recover()
        options = try readOptions()
        claimed = try claim()
        guardian = newGuardian()
        log.guarding()
        do {
            try notifier.tellSurely(.ready, .status(claimed), unless: { host.interruption() != nil })
        } catch {
            // A manager that wants the end waits for no ready.
            guard host.interruption() != nil else { throw error }
        }
    }

    private func stop() throws {
        log.stopped()
        try notifier.tellSurely(.stopping)
    }

    // MARK: - Before

    /// What an earlier run left half done is settled before anything else, whatever the configuration says by now.
    private func recover() throws {
        let result = try host.locked(within: lockMilliseconds) {
            try host.record(of: address).flatMap(Recoverer(host: host, tell: log.tell).recover)
        }
        guard let result else { return }
        log.recovered(result)
        guard !result.isFinished else { return }
        let why = result.refusals.map(\.message).joined(separator: " ")
        tellStatus("Failed: what an earlier run left could not be settled yet. \(why)")
        throw result.refusals.isEmpty ? ExitStatus.failed : .refused
    }

    private func readOptions() throws -> ClaimOptions {
        let configuration: Configuration
        do {
            configuration = try ConfigurationReader(tree: host.tree).read()
        } catch {
            let refusal = ConfigurationRefusal(unreadable: error)
            log.refuse(refusal)
            tellStatus("Refused: \(refusal)")
            throw ExitStatus.refused
        }
        configuration.warnings.forEach(log.warn)
        switch configuration.verdict(for: address, among: try CardReader(tree: host.tree).read()) {
        case .allowed(let options): return options
        case .refused(let refusals):
            refusals.forEach(log.refuse)
            tellStatus("Refused: \(refusals.map(\.description).joined(separator: " "))")
            throw ExitStatus.refused
        }
    }

    // MARK: - The claim

    /// - Returns: What there is to say of the claim.
    private func claim() throws -> String {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = options
        // Each step can take as long as a write may; all of them can take longer than the watchdog waits.
        let tell = { [log, loop] (event: ClaimEvent) in
            loop.giveSign()
            log.tell(event)
        }
        loop.giveSign()
        let outcome = try host.locked(within: lockMilliseconds) {
            loop.giveSign()
            return try Claimer(host: host, settings: settings, tell: tell).claim(address)
        }
        switch outcome.result {
        case .claimed, .nothingToDo:
            log.succeed(outcome)
            return sentence(outcome)
        case .refused:
            if try isStandingInUse(outcome.plan) { return "Claimed, and in use." }
            outcome.plan.refusals.forEach(log.refuse)
            tellStatus("Refused: \(outcome.plan.refusals.map(\.message).joined(separator: " "))")
            throw ExitStatus.refused
        case .failed(let failure):
            log.fail(failure, undo: outcome.undo)
            tellStatus("Failed: \(failure)")
            guard outcome.undo?.isComplete ?? true else { throw ExitStatus.notRestored }
            guard host.interruption() != nil else { throw ExitStatus.failed }
            // Told to stop while it started, and everything is as it was: that is no failure.
            try stop()
            throw ExitStatus.done
        }
    }

    /// Whether there is a claim, and all that keeps it from being made anew is the guest that has the card. The guardian
    /// then says what lies over it.
    private func isStandingInUse(_ plan: Plan) throws -> Bool {
        guard let record = try host.record(of: address), record.state == .claimed,
            !record.isStale(for: host.identity(ofDevice: KernelPath.device(address)))
        else { return false }
        return plan.refusals.allSatisfy { $0.code == .inUse }
            && plan.functions.allSatisfy(\.isOnVFIO)
    }

    private func sentence(_ outcome: ClaimOutcome) -> String {
        guard outcome.users.isEmpty else {
            let who = outcome.users.map(\.description).joined(separator: ", ")
            return "Claimed. In use, and so not proven anew: \(who)."
        }
        if let doubt = outcome.doubt { return "Claimed, \(outcome.bars), not proven: \(doubt)." }
        let mapped = outcome.bars.mapped
        return "Claimed and proven: \(mapped) \(mapped == 1 ? "BAR" : "BARs") mapped."
    }

    // MARK: - After

    private func newGuardian() -> Guardian<MachineHost> {
        Guardian(host: host, address: address, options: options, tell: log.tell)
    }

    private func look() throws {
        let decision = guardian.check()
        if decision == .end {
            // `settle` forgets the claim, and sees to it that the unit starts again if the card is back already.
            try notifier.tellSurely(.stopping, .status("The GPU is gone."))
            throw ExitStatus.gone
        }
        if decision == .claimAgain { try claimAgain() }
        if decision == .lookAgain { loop.lookAgain(afterMilliseconds: Self.suspicion) }
        tellStatus(([reloadComplaint].compactMap(\.self) + guardian.complaints).joined(separator: " "), else: claimed)
    }

    private func claimAgain() throws {
        do {
            claimed = try claim()
            guardian.haveClaimed()
            // A guest may have opened the card meanwhile: then nothing was evicted, and that is to be told.
            loop.lookAgain(afterMilliseconds: 0)
        } catch {
            if !(error is ExitStatus) { log.fail(error) }
            switch error as? RecordError {
            case .locked: return loop.lookAgain(afterMilliseconds: Self.patience)
            // The loop takes the signal.
            case .interrupted: return
            default: break
            }
            // What was not undone the next start settles, and until then this guard would see nothing but that.
            guard try host.record(of: address)?.state == .claimed else {
                throw error as? ExitStatus ?? ExitStatus.failed
            }
            guardian.haveFailedToClaim()
        }
    }

    /// A configuration that cannot be used any more does not end a guard whose card a guest may have: the former one stays.
    private func reload() throws {
        try notifier.tellReloading()
        do {
            options = try readOptions()
            reloadComplaint = nil
        } catch {
            if !(error is ExitStatus) { log.fail(error) }
            reloadComplaint = "Not reloaded: the configuration cannot be used, see the journal."
        }
        guardian = newGuardian()
        try look()
        try notifier.tellSurely(.ready)
    }

    /// The status line is a courtesy: the journal and the exit status say the same.
    private func tellStatus(_ text: String, else other: String = "") {
        do {
            try notifier.tell(.status(text.isEmpty ? other : text))
        } catch {
            Terminal.complain("apertured: \(error)")
        }
    }
}
