package import Aperture
internal import Configuration
internal import Glibc
internal import Journal
package import KernelFiles
package import Reclaim
internal import Record
internal import VFIO

/// How a guard ends.
package enum GuardEnd: Error, Hashable, Sendable {
    /// A signal ended the guard. A finished claim stays; an unfinished one was undone.
    case stopped
    /// The card is gone from the machine.
    case gone
    /// The configuration, the claim or the recovery of an earlier run was refused.
    case refused
    /// The guard failed. The next start recovers from whatever it has left.
    case failed
    /// The claim failed, and some of its writes could not be undone.
    case notRestored
}

/// The guard of one card: recovers from an interrupted run, claims the card, and then watches it until a signal comes
/// or the card goes.
///
/// Each wake-up is one round: ``GuardLoop`` reports that something happened, ``ClaimCheck`` decides what to do about
/// it, and this type does it, logs it, and reports the card's state to the service manager.
package final class CardGuard<H: Host, Source: WakeupSource> {
    /// The time to the next look at a state that may pass by itself, in milliseconds.
    private static var recheckInterval: Int64 { 2000 }
    /// The time to the next try of an eviction while another run of apertured holds the lock, in milliseconds.
    private static var retryInterval: Int64 { 5000 }
    /// How long a start waits at boot for processes that have the card, and how often it looks, in milliseconds. The
    /// display manager starts after the claim, so it waits as long.
    private static var bootPatience: Int64 { 30_000 }
    private static var bootInterval: Int32 { 500 }

    private let address: PCIAddress
    private let host: H
    private let tree: FileTree
    private let lockMilliseconds: Int32
    private let notifier: any StateReceiver
    private let boot: Boot
    private let cards: CardsReading
    private let prepare: (ClaimOptions) -> Void
    private let tell: (GuardEvent) -> Void
    private var source: Source

    private var options = ClaimOptions()
    private let hold: CardHold
    private let keepsHold: Bool
    private var check: ClaimCheck<H>
    /// How the last claim ended, for the status line.
    private var claimed = ""
    /// Until when the start waits for processes that have the card; `nil` before it has waited.
    private var bootDeadline: Int64?
    /// Whether the splash was asked to end, or could not be.
    private var isSplashAsked = false
    /// Whether the guard has told that it is ready.
    private var isReady = false
    /// Why the last reload changed nothing; `nil` after a good one.
    private var reloadComplaint: String?

    /// Does nothing yet; ``run()`` starts the guard.
    /// - Parameters:
    ///   - source: Wakes the guard. It must listen already, so that no event before the claim is missed.
    ///   - tree: The root below which the configuration is read.
    ///   - lockMilliseconds: How long to wait for another run of apertured.
    ///   - boot: Tells whether it is worth waiting for a process that has the card.
    ///   - hold: Holds the card also after the guard has ended, until its owner lets go; `nil` to hold it until then.
    ///   - cards: Shared with other guards; `nil` for a reading of this guard's own.
    ///   - prepare: Called before each claim, with its options, and before the host's lock is taken.
    ///   - tell: Receives each event; it logs.
    package init(
        _ address: PCIAddress, host: H, source: Source, tree: FileTree, lockMilliseconds: Int32,
        notifier: some StateReceiver, boot: Boot, hold: CardHold? = nil, cards: CardsReading? = nil,
        prepare: @escaping (ClaimOptions) -> Void = { _ in }, tell: @escaping (GuardEvent) -> Void
    ) {
        self.address = address
        self.host = host
        self.source = source
        self.tree = tree
        self.lockMilliseconds = lockMilliseconds
        self.notifier = notifier
        self.boot = boot
        self.hold = hold ?? CardHold()
        keepsHold = hold != nil
        self.cards = cards ?? CardsReading(tree: tree)
        self.prepare = prepare
        self.tell = tell
        check = ClaimCheck(host: host, address: address, options: options, tell: tell)
    }

    /// Runs until the guard ends. Every end is logged before this returns.
    package func run() -> GuardEnd {
        defer { if !keepsHold { hold.letGo() } }
        do {
            try takeGuard()
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
                case .poke: break
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

    /// Makes this the card's one guard, until it ends.
    private func takeGuard() throws {
        do throws(RecordError) {
            try hold.take(address, in: tree, as: host.guardName)
        } catch {
            guard case .locked(let holder) = error else { throw error }
            tell(.guardedByOther(holder))
            tellStatus("Refused: \(Refusal.guardedByOther(holder))")
            throw GuardEnd.refused
        }
    }

    private func start() throws {
        do {
            try recover()
            options = try readOptions()
            if tree.exists(Boot.splash) { _ = try awaitUsers() }
            claimed = try claim()
        } catch ReclaimError.record(.interrupted) {
            // A signal came while this waited for the lock, so nothing was begun.
            throw try stop()
        }
        check = newCheck()
        isReady = true
        tell(.guarding)
        do {
            try notifier.tellSurely([.ready, .status(claimed)], unless: { host.interruption() != nil })
        } catch {
            // A service manager that stops the unit does not wait for `ready`.
            guard host.interruption() != nil else { throw error }
        }
    }

    private func stop() throws -> GuardEnd {
        tell(.stopped)
        try notifier.tellSurely([.stopping])
        return .stopped
    }

    // MARK: - Before the claim

    /// Recovers from an interrupted run before anything else, whatever the configuration says by now.
    private func recover() throws {
        // Without a record there is nothing to wait for the lock for.
        guard try host.loadRecord(of: address) != nil else { return }
        let result = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) in
            try Releaser(host: host, tell: { [tell] in tell(.claim($0)) }).recover(address)
        }
        guard let result else { return }
        tell(.recovered(result))
        guard !result.isFinished else { return }
        let why = result.refusals.map(\.message).joined(separator: " ")
        tellStatus("Failed: could not recover from an interrupted run yet. \(why)")
        throw result.refusals.isEmpty ? GuardEnd.failed : .refused
    }

    private func readOptions() throws -> ClaimOptions {
        let configuration: Configuration
        do {
            configuration = try ConfigurationReader(tree: tree).read()
        } catch {
            let refusal = Refusal(unreadableConfiguration: error)
            tell(.configurationRefused(refusal))
            tellStatus("Refused: \(refusal)")
            throw GuardEnd.refused
        }
        configuration.warnings.forEach { tell(.configurationWarning($0)) }
        switch configuration.verdict(for: address, among: try cards.read()) {
        case .allowed(let options): return options
        case .refused(let refusals):
            refusals.forEach { tell(.configurationRefused($0)) }
            tellStatus("Refused: \(refusals.map(\.description).joined(separator: " "))")
            throw GuardEnd.refused
        }
    }

    // MARK: - The claim

    /// - Returns: A sentence about the claim, for the status line.
    private func claim() throws -> String {
        var settings = Claimer<H>.Settings()
        settings.options = options
        // Each step may take the whole write deadline, and all of them together longer than the watchdog waits.
        let tellClaim = { [unowned self] (event: ClaimEvent) in
            source.notifyWatchdog()
            tell(.claim(event))
        }
        source.notifyWatchdog()
        prepare(options)
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
            if !isReady, try awaitUsers() { return try claim() }
            outcome.plan.refusals.forEach { tell(.claimRefused($0)) }
            tellStatus("Refused: \(outcome.plan.refusals.map(\.message).joined(separator: " "))")
            throw GuardEnd.refused
        case .failed(let failure):
            tell(.claimFailed(failure, undo: outcome.undo))
            tellStatus("Failed: \(failure)")
            guard outcome.undo?.isComplete ?? true else { throw GuardEnd.notRestored }
            guard host.interruption() != nil else { throw GuardEnd.failed }
            // A signal interrupted the claim and everything is as it was, so this is no failure.
            throw try stop()
        }
    }

    /// Waits for the processes that have the card, while the machine boots: see ``BootUse``. It asks nobody but the boot
    /// splash to end. The lock is free meanwhile.
    /// - Returns: Whether it has waited, and another try may succeed.
    private func awaitUsers() throws -> Bool {
        var hasWaited = false
        var awaited: [Holder] = []
        while true {
            let snapshot = try host.read(.claim(address))
            let plan = Planner.plan(for: address, in: snapshot, options: host.resolved(options))
            guard let use = BootUse(plan, in: snapshot) else { return hasWaited }
            let deadline = bootDeadline ?? boot.now() + Self.bootPatience
            guard boot.now() < deadline, boot.isUnderWay() else { return false }
            bootDeadline = deadline
            if awaited != use.holders {
                awaited = use.holders
                tell(.waiting(awaited))
                let who = awaited.map(\.description).joined(separator: ", ")
                tellStatus("Waiting, for \(Self.bootPatience / 1000) seconds at most: the card is in use: \(who).")
            }
            if let splash = use.splash, !isSplashAsked { askToEnd(splash) }
            host.pause(milliseconds: Self.bootInterval)
            source.notifyWatchdog()
            hasWaited = true
            if host.interruption() != nil { throw try stop() }
        }
    }

    private func askToEnd(_ splash: Holder) {
        isSplashAsked = true
        tell(.endingSplash(splash))
        // One that cannot be asked may still end by itself.
        if let reason = boot.endSplash() { tell(.splashNotAsked(reason)) }
    }

    /// Whether the card is claimed already, and the only reason for the refusal is the guest that has it open. The
    /// check then reports any framebuffer in its BARs.
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
            return "Claimed. Not proven again, as it is in use: \(who)."
        }
        if let doubt = outcome.doubt { return "Claimed, \(outcome.bars), not proven: \(doubt)." }
        let mapped = outcome.bars.mapped
        return "Claimed and proven: \(mapped) \(mapped == 1 ? "BAR" : "BARs") mapped."
    }

    // MARK: - After the claim

    private func newCheck() -> ClaimCheck<H> {
        ClaimCheck(host: host, address: address, options: options, tell: tell)
    }

    private func look() throws {
        switch check.check() {
        case .end:
            // `post-stop` removes the record, and makes the unit start again if the card is back already.
            try notifier.tellSurely([.stopping, .status("The GPU is gone.")])
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
            // A guest may have opened the card meanwhile. Then nothing was evicted, and the next look must report it.
            source.lookAgain(afterMilliseconds: 0)
        } catch GuardEnd.stopped {
            throw GuardEnd.stopped
        } catch {
            if !(error is GuardEnd) { tell(.failed("\(error)")) }
            switch error as? ReclaimError {
            case .record(.locked): return source.lookAgain(afterMilliseconds: Self.retryInterval)
            // The source received the signal too, and returns it next.
            case .record(.interrupted): return
            default: break
            }
            // The next start recovers what this claim could not undo. Until then there is nothing to guard, so end.
            guard try host.loadRecord(of: address)?.state == .claimed else {
                throw error as? GuardEnd ?? GuardEnd.failed
            }
            check.claimFailed()
        }
    }

    /// Reads the configuration again. When it cannot be used, the former one stays in force and the guard goes on: a
    /// guest may have the card.
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
        try notifier.tellSurely([.ready])
    }

    /// Sets the status line. A failure is only logged: the journal and the exit status say the same.
    private func tellStatus(_ text: String, else other: String = "") {
        do {
            try notifier.tell([.status(text.isEmpty ? other : text)])
        } catch {
            tell(.statusNotTold("\(error)"))
        }
    }
}

extension Host {
    /// How this process signs as a guard: its unit, or its command, and its process ID.
    package var guardName: String { "\(ownUnit() ?? "apertured guard") (pid \(getpid()))" }
}

extension Refusal {
    /// The refusal of a card that another guard has.
    package static func guardedByOther(_ name: String) -> Refusal {
        Refusal(
            .locked, "Another guard has the card: \(name).",
            remedy:
                "Leave the card to it, or stop it first. A card is guarded by its own unit or by apertured.service, "
                + "and not by both.")
    }
}
