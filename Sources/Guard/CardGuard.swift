package import Aperture
internal import Configuration
package import Journal
package import KernelFiles
internal import Record
package import Reclaim
internal import VFIO

/// How a guard ends.
package enum GuardEnd: Error, Hashable, Sendable {
    /// It was told to stop; a claim stands, and what was not claimed yet is as it was.
    case stopped
    /// The card is gone from the machine.
    case gone
    case refused
    case failed
    /// Failed, and something could not be taken back.
    case notRestored
}

/// One card's guard: settles what an earlier run left, claims the card, and looks after it until there is nothing left to
/// look after.
///
/// Each wake-up is one round: ``GuardLoop`` says that something happened, ``ClaimCheck`` decides what is to be done about
/// it, and this does it, tells it, and tells the service manager how the card stands.
package final class CardGuard<H: Host, Source: WakeupSource> {
    /// Until something that may pass is looked at again, in milliseconds.
    private static var recheckInterval: Int64 { 2000 }
    /// Until an eviction is tried again that another run of apertured was in the way of, in milliseconds.
    private static var retryInterval: Int64 { 5000 }

    private let address: PCIAddress
    private let host: H
    private let tree: FileTree
    private let lockMilliseconds: Int32
    private let notifier: ServiceNotifier
    private let tell: (GuardEvent) -> Void
    private var source: Source

    private var options = ClaimOptions()
    private var check: ClaimCheck<H>
    /// How the last claim ended, for the status line.
    private var claimed = ""
    /// Why the last reload changed nothing.
    private var reloadComplaint: String?

    /// - Parameters:
    ///   - source: Wakes the guard. It must listen already: what happens before the claim must not be missed.
    ///   - tree: Where the configuration is read.
    ///   - lockMilliseconds: How long another run of apertured is waited for.
    package init(
        _ address: PCIAddress, host: H, source: Source, tree: FileTree, lockMilliseconds: Int32,
        notifier: ServiceNotifier, tell: @escaping (GuardEvent) -> Void
    ) {
        self.address = address
        self.host = host
        self.source = source
        self.tree = tree
        self.lockMilliseconds = lockMilliseconds
        self.notifier = notifier
        self.tell = tell
        check = ClaimCheck(host: host, address: address, options: options, tell: tell)
    }

    /// Runs until the guard's end, which was told.
    package func run() -> GuardEnd {
        do {
            try start()
            try look()
            while true {
                switch try source.next() {
                case .stop: return try stop()
                case .reload:
                    try reload()
                case .change(let areEventsLost):
                    if areEventsLost { tell(.ueventsLost) }
                    try look()
                }
            }
        } catch let end as GuardEnd {
            return end
        } catch {
            tell(.failed("\(error)"))
            tellStatus("Failed: \(error)")
            return .failed
        }
    }

    private func start() throws {
        do {
            try recover()
            options = try readOptions()
            claimed = try claim()
        } catch ReclaimError.record(.interrupted) {
            // Another run was at work, and nothing was begun.
            throw try stop()
        }
        check = newCheck()
        tell(.guarding)
        do {
            try notifier.tellSurely(.ready, .status(claimed), unless: { host.interruption() != nil })
        } catch {
            // A manager that wants the end waits for no ready.
            guard host.interruption() != nil else { throw error }
        }
    }

    private func stop() throws -> GuardEnd {
        tell(.stopped)
        try notifier.tellSurely(.stopping)
        return .stopped
    }

    // MARK: - Before

    /// What an earlier run left half done is settled before anything else, whatever the configuration says by now.
    private func recover() throws {
        // Without a record there is nothing to wait for the lock for.
        guard try host.loadRecord(of: address) != nil else { return }
        let result = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) -> Restoration? in
            guard let record = try host.loadRecord(of: address) else { return nil }
            return try Releaser(host: host, tell: { [tell] in tell(.claim($0)) }).recover(record)
        }
        guard let result else { return }
        tell(.recovered(result))
        guard !result.isFinished else { return }
        let why = result.refusals.map(\.message).joined(separator: " ")
        tellStatus("Failed: what an earlier run left could not be settled yet. \(why)")
        throw result.refusals.isEmpty ? GuardEnd.failed : .refused
    }

    private func readOptions() throws -> ClaimOptions {
        let configuration: Configuration
        do {
            configuration = try ConfigurationReader(tree: tree).read()
        } catch {
            let refusal = ConfigurationRefusal(unreadable: error)
            tell(.configurationRefused(refusal))
            tellStatus("Refused: \(refusal)")
            throw GuardEnd.refused
        }
        configuration.warnings.forEach { tell(.configurationWarning($0)) }
        switch configuration.verdict(for: address, among: try CardReader(tree: tree).read()) {
        case .allowed(let options): return options
        case .refused(let refusals):
            refusals.forEach { tell(.configurationRefused($0)) }
            tellStatus("Refused: \(refusals.map(\.description).joined(separator: " "))")
            throw GuardEnd.refused
        }
    }

    // MARK: - The claim

    /// - Returns: What there is to say of the claim.
    private func claim() throws -> String {
        var settings = Claimer<H>.Settings()
        settings.options = options
        // Each step can take as long as a write may; all of them can take longer than the watchdog waits.
        let tellClaim = { [unowned self] (event: ClaimEvent) in
            source.notifyWatchdog()
            tell(.claim(event))
        }
        source.notifyWatchdog()
        let outcome = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) in
            source.notifyWatchdog()
            return try Claimer(host: host, settings: settings, tell: tellClaim).claim(address)
        }
        switch outcome.result {
        case .claimed, .nothingToDo:
            tell(.claimed(outcome))
            return sentence(outcome)
        case .refused:
            if try isStandingInUse(outcome.plan) { return "Claimed, and in use." }
            outcome.plan.refusals.forEach { tell(.claimRefused($0)) }
            tellStatus("Refused: \(outcome.plan.refusals.map(\.message).joined(separator: " "))")
            throw GuardEnd.refused
        case .failed(let failure):
            tell(.claimFailed(failure, undo: outcome.undo))
            tellStatus("Failed: \(failure)")
            guard outcome.undo?.isComplete ?? true else { throw GuardEnd.notRestored }
            guard host.interruption() != nil else { throw GuardEnd.failed }
            // Told to stop while it started, and everything is as it was: that is no failure.
            throw try stop()
        }
    }

    /// Whether there is a claim, and all that keeps it from being made anew is the guest that has the card. The check then
    /// says what lies over it.
    private func isStandingInUse(_ plan: Plan) throws -> Bool {
        guard let record = try host.loadRecord(of: address), record.state == .claimed,
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

    private func newCheck() -> ClaimCheck<H> {
        ClaimCheck(host: host, address: address, options: options, tell: tell)
    }

    private func look() throws {
        switch check.check() {
        case .end:
            // `post-stop` forgets the claim, and sees to it that the unit starts again if the card is back already.
            try notifier.tellSurely(.stopping, .status("The GPU is gone."))
            throw GuardEnd.gone
        case .claimAgain: try claimAgain()
        case .lookAgain: source.lookAgain(afterMilliseconds: Self.recheckInterval)
        case .goOn: break
        }
        tellStatus(([reloadComplaint].compactMap(\.self) + check.complaints).joined(separator: " "), else: claimed)
    }

    private func claimAgain() throws {
        do {
            claimed = try claim()
            check.claimSucceeded()
            // A guest may have opened the card meanwhile: then nothing was evicted, and that is to be told.
            source.lookAgain(afterMilliseconds: 0)
        } catch ReclaimError.record(.locked(let holder)) {
            tell(.failed(RecordError.locked(by: holder).description))
            source.lookAgain(afterMilliseconds: Self.retryInterval)
        } catch GuardEnd.stopped {
            throw GuardEnd.stopped
        } catch {
            if !(error is GuardEnd) { tell(.failed("\(error)")) }
            // The source has the signal as well, and gives it next.
            if case ReclaimError.record(.interrupted) = error { return }
            // What was not undone the next start settles, and until then this guard would see nothing but that.
            guard try host.loadRecord(of: address)?.state == .claimed else {
                throw error as? GuardEnd ?? GuardEnd.failed
            }
            check.claimFailed()
        }
    }

    /// A configuration that cannot be used any more does not end a guard whose card a guest may have: the former one stays.
    private func reload() throws {
        try notifier.tellReloading()
        do {
            options = try readOptions()
            reloadComplaint = nil
        } catch {
            if !(error is GuardEnd) { tell(.failed("\(error)")) }
            reloadComplaint = "Not reloaded: the configuration cannot be used, see the journal."
        }
        check = newCheck()
        try look()
        try notifier.tellSurely(.ready)
    }

    /// The status line is a courtesy: the journal and the exit status say the same.
    private func tellStatus(_ text: String, else other: String = "") {
        do {
            try notifier.tell(.status(text.isEmpty ? other : text))
        } catch {
            tell(.statusNotTold("\(error)"))
        }
    }
}
