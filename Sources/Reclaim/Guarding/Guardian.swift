package import Aperture
internal import Record

/// Looks after one claimed card: decides, at each event, what has changed and what is to be done about it. It waits for
/// nothing itself.
package struct Guardian<H: Host> {
    /// What is to happen next.
    package enum Decision: Hashable, Sendable {
        case goOn
        /// What was seen may be on its way to something else, which makes no event of its own: look again soon.
        case lookAgain
        /// The card is gone: the guard has nothing left to do.
        case end
        /// A framebuffer is over the card, and nobody uses it: claim it again.
        case claimAgain
    }

    /// How often another run of apertured is looked after again before only an event is waited for: a run that was cut
    /// short ends never.
    private static var lookBound: Int { 60 }

    private let host: H
    private let address: PCIAddress
    private let options: ClaimOptions
    private let tell: (GuardEvent) -> Void
    /// What was found at the last look, by what it was found in, so that nothing is told twice.
    private var findings: [String: Finding] = [:]
    private var looks = 0

    /// What is not as it should be, a sentence each; empty for a claim that is sound.
    package private(set) var complaints: [String] = []

    package init(host: H, address: PCIAddress, options: ClaimOptions, tell: @escaping (GuardEvent) -> Void) {
        self.host = host
        self.address = address
        self.options = options
        self.tell = tell
    }

    /// After ``Decision/claimAgain``: it ended well. What comes back is told again.
    package mutating func haveClaimed() {
        findings = [:]
        complaints = []
    }

    /// After ``Decision/claimAgain``: it failed, and would fail again. A framebuffer that was to be evicted is left alone
    /// until it goes.
    package mutating func haveFailedToClaim() {
        for (key, finding) in findings where finding == .evicting { findings[key] = .unevictable }
        complaints.append("That failed, as the journal tells.")
    }

    /// Reads the machine anew and compares it with the claim.
    package mutating func check() -> Decision {
        var sight = Sight()
        let decision: Decision
        do {
            let snapshot = try host.snapshot(withHolders: false)
            let record = try host.record(of: address)
            if let record, record.state != .claimed, looks < Self.lookBound {
                // A claim or a release by another run: what changes is its doing. A rescan is part of one.
                looks += 1
                return .lookAgain
            }
            looks = 0
            decision = try look(at: snapshot, record, &sight)
        } catch {
            note("", .unreadable, "\(error)", .failed("\(error)"), &sight)
            decision = .goOn
        }
        let wasTold = findings.values.contains { $0 != .suspected }
        findings = sight.findings
        complaints = sight.complaints
        if findings.isEmpty, wasTold, decision == .goOn { tell(.sound) }
        return decision
    }

    private func look(at snapshot: Snapshot, _ record: ClaimRecord?, _ sight: inout Sight) throws -> Decision {
        // Not to be taken for a card that is gone.
        if let found = snapshot.unreadable.first(where: { $0.address == address }) {
            note("", .unreadable, found.reason, .failed(found.reason), &sight)
            return .goOn
        }
        guard snapshot.function(at: address) != nil else {
            tell(.gone)
            return .end
        }
        guard let record else { return released(&sight) }
        // Cut short, and known to be: the next run settles it.
        guard record.state == .claimed else { return .goOn }
        // One that was removed and is back is another device, and the event that would say so can be lost.
        guard host.identity(ofDevice: KernelPath.device(address)) == record.device else {
            tell(.gone)
            return .end
        }
        let plan = Planner.plan(for: address, in: snapshot, options: options)
        for function in plan.functions where function.isDead {
            note(
                "\(function.address) dead", .dead, "\(function.address) is dead: it does not answer any more.",
                .dead(function.address), &sight)
        }
        let isSettled = compareDrivers(plan, &sight)
        // Who uses the card only matters when something is over it, and takes a walk through /proc.
        let decision =
            plan.conflicts.isEmpty
            ? .goOn : compareConflicts(plan, try host.snapshot(withHolders: true), &sight)
        return decision == .goOn && !isSettled ? .lookAgain : decision
    }

    /// The unit's own release ends the guard right after it.
    private func released(_ sight: inout Sight) -> Decision {
        guard findings["record"] != nil else {
            sight.findings["record"] = .suspected
            return .lookAgain
        }
        note("record", .released, "Released by someone else, and not guarded.", .releasedByOther, &sight)
        return .goOn
    }

    /// - Returns: Whether it is clear who has each function: one without a driver may be on its way to another, or out of
    ///   the machine.
    private func compareDrivers(_ plan: Plan, _ sight: inout Sight) -> Bool {
        var isSettled = true
        for function in plan.functions where !function.isOnVFIO {
            let key = "\(function.address) \(function.driver ?? "-")"
            guard function.driver != nil || findings[key] != nil else {
                sight.findings[key] = .suspected
                isSettled = false
                continue
            }
            let what = function.driver.map { "is bound to \($0), not to vfio-pci" } ?? "has no driver"
            note(
                key, .takenAway, "\(function.address) \(what).", .takenAway(function.address, driver: function.driver),
                &sight)
        }
        return isSettled
    }

    private func compareConflicts(_ plan: Plan, _ snapshot: Snapshot, _ sight: inout Sight) -> Decision {
        let isOurs = sight.findings.isEmpty
        let holders = plan.functions.flatMap(snapshot.holders(of:))
        var decision = Decision.goOn
        for conflict in plan.conflicts {
            guard case .framebuffer = conflict.owner else { continue }
            let key = "\(conflict.claim)"
            let what = "\(conflict.claim.name) lies in BAR \(conflict.bar)"
            if !holders.isEmpty {
                note(key, .inUse, "\(what) of a card in use.", .lateFramebufferInUse(conflict, holders), &sight)
            } else if let refusal = plan.refusals.first(where: { $0.code == .deviceUnreadable }) {
                // It would be refused now. When the lock is let go, the bind or unbind that had it makes an event.
                note(key, .unreadable, refusal.message, .failed(refusal.message), &sight)
            } else if !isOurs {
                sight.add(key, .overlooked, "\(what).")
            } else if findings[key] == .unevictable {
                sight.add(key, .unevictable, "\(what) and could not be evicted.")
            } else {
                note(key, .evicting, "\(what) and is to be evicted.", .lateFramebuffer(conflict), &sight)
                decision = .claimAgain
            }
        }
        return decision
    }

    /// Keeps a finding, and tells it unless it was told at the last look.
    private func note(
        _ key: String, _ finding: Finding, _ sentence: String, _ event: @autoclosure () -> GuardEvent,
        _ sight: inout Sight
    ) {
        if findings[key] != finding { tell(event()) }
        sight.add(key, finding, sentence)
    }
}

/// One way in which a claim is not as it should be.
private enum Finding: Hashable {
    /// Not told yet: it may pass.
    case suspected
    case unreadable
    case dead
    case takenAway
    case released
    /// Someone uses the card that a framebuffer lies over.
    case inUse
    case evicting
    case unevictable
    /// A framebuffer over a card that someone else took: theirs to mind.
    case overlooked
}

/// What one look finds.
private struct Sight {
    var findings: [String: Finding] = [:]
    var complaints: [String] = []

    mutating func add(_ key: String, _ finding: Finding, _ sentence: String) {
        findings[key] = finding
        complaints.append(sentence)
    }
}
