package import Aperture
internal import Record
package import Reclaim

/// Compares the machine with one card's claim, and decides what is to be done: at each wake-up of its guard. It waits for
/// nothing itself, and changes nothing.
package struct ClaimCheck<H: Host> {
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

    /// An interrupted run never finishes, so stop polling after so many looks, and wait for an event.
    private static var mostLooks: Int { 60 }

    private let host: H
    private let address: PCIAddress
    private let options: ClaimOptions
    private let tell: (GuardEvent) -> Void
    /// What was told, by what it is about, until that is as it should be: so that nothing is told twice.
    private var told: [String: Finding] = [:]
    /// What the last look left open.
    private var suspicions: Set<String> = []
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
    package mutating func claimSucceeded() {
        (told, suspicions, complaints) = ([:], [], [])
    }

    /// After ``Decision/claimAgain``: it failed, and would fail again. A framebuffer that was to be evicted is left alone
    /// until it goes.
    package mutating func claimFailed() {
        for (subject, finding) in told where finding.kind == .evicting { told[subject]?.kind = .unevictable }
        complaints.append("That failed, as the journal tells.")
    }

    /// Reads the machine anew and compares it with the claim.
    package mutating func check() -> Decision {
        var observation = Observation()
        let decision: Decision
        do {
            let snapshot = try host.snapshot(.watch(address), withHolders: false)
            // What was not waited for is not known.
            if host.interruption() != nil { return .goOn }
            let record = try host.record(of: address)
            if let record, record.state != .claimed, looks < Self.mostLooks {
                // A claim or a release by another run: what changes is its doing. A rescan is part of one.
                looks += 1
                return .lookAgain
            }
            looks = 0
            decision = try compare(snapshot, record, &observation)
        } catch {
            observation.seesAll = false
            note("", .unreadable, "\(error)", .failed("\(error)"), &observation)
            decision = .goOn
        }
        let wasSound = told.isEmpty
        // What this look could not see is as it was told; what is on its way to something else, too.
        if observation.seesAll {
            told = told.filter { observation.subjects.contains($0.key) || observation.suspicions.contains($0.key) }
        }
        suspicions = observation.suspicions
        complaints = told.sorted { $0.key < $1.key }.map(\.value.sentence)
        if told.isEmpty, !wasSound, suspicions.isEmpty, decision == .goOn { tell(.sound) }
        return decision
    }

    private mutating func compare(_ snapshot: Snapshot, _ record: ClaimRecord?, _ observation: inout Observation) throws
        -> Decision
    {
        // Not to be taken for a card that is gone.
        if let found = snapshot.unreadable.first(where: { $0.address == address }) {
            observation.seesAll = false
            note("", .unreadable, found.reason, .failed(found.reason), &observation)
            return .goOn
        }
        guard snapshot.function(at: address) != nil else {
            tell(.gone)
            return .end
        }
        guard let record else { return released(&observation) }
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
                .dead(function.address), &observation)
        }
        let isSettled = compareDrivers(plan, &observation)
        // Who uses the card only matters when something is over it, and takes a walk through /proc.
        let decision =
            plan.conflicts.isEmpty
            ? .goOn : compareConflicts(plan, try host.snapshot(.watch(address), withHolders: true), &observation)
        return decision == .goOn && !isSettled ? .lookAgain : decision
    }

    /// The unit's own release ends the guard right after it.
    private mutating func released(_ observation: inout Observation) -> Decision {
        guard told["record"] != nil || suspicions.contains("record") else {
            observation.suspicions.insert("record")
            return .lookAgain
        }
        note("record", .released, "Released by someone else, and not guarded.", .releasedByOther, &observation)
        return .goOn
    }

    /// - Returns: Whether it is clear who has each function: one without a driver may be on its way to another, or out of
    ///   the machine.
    private mutating func compareDrivers(_ plan: Plan, _ observation: inout Observation) -> Bool {
        var isSettled = true
        for function in plan.functions where !function.isOnVFIO {
            let subject = "\(function.address)"
            let what = function.driver.map { "is bound to \($0), not to vfio-pci" } ?? "has no driver"
            let sentence = "\(function.address) \(what)."
            let isKnown = told[subject]?.sentence == sentence || suspicions.contains(subject)
            guard function.driver != nil || isKnown else {
                observation.suspicions.insert(subject)
                isSettled = false
                continue
            }
            note(subject, .takenAway, sentence, .takenAway(function.address, driver: function.driver), &observation)
        }
        return isSettled
    }

    private mutating func compareConflicts(_ plan: Plan, _ snapshot: Snapshot, _ observation: inout Observation)
        -> Decision
    {
        let isOurs = observation.subjects.isEmpty && observation.suspicions.isEmpty
        let holders = plan.functions.flatMap(snapshot.holders(of:))
        var decision = Decision.goOn
        for conflict in plan.conflicts {
            guard case .framebuffer = conflict.owner else { continue }
            let subject = "\(conflict.entry)"
            let what = "\(conflict.entry.name) lies in BAR \(conflict.bar)"
            if !holders.isEmpty {
                note(
                    subject, .inUse, "\(what) of a card in use.", .lateFramebufferInUse(conflict, holders), &observation
                )
            } else if let reason = snapshot.holdersUnknown {
                let sentence = "\(what), and who uses the card is not known: \(reason)."
                note(subject, .unreadable, sentence, .failed(sentence), &observation)
            } else if let refusal = plan.refusals.first(where: { $0.code == .deviceUnreadable }) {
                // It would be refused now. When the lock is let go, the bind or unbind that had it makes an event.
                note(subject, .unreadable, refusal.message, .failed(refusal.message), &observation)
            } else if !isOurs {
                note(subject, .overlooked, "\(what).", nil, &observation)
            } else if told[subject]?.kind == .unevictable {
                note(subject, .unevictable, "\(what) and could not be evicted.", nil, &observation)
            } else {
                note(subject, .evicting, "\(what) and is to be evicted.", .lateFramebuffer(conflict), &observation)
                decision = .claimAgain
            }
        }
        return decision
    }

    /// Keeps a finding, and tells it unless that was the last that was told of the subject.
    private mutating func note(
        _ subject: String, _ kind: Finding.Kind, _ sentence: String, _ event: @autoclosure () -> GuardEvent?,
        _ observation: inout Observation
    ) {
        observation.subjects.insert(subject)
        let last = told.updateValue(Finding(kind: kind, sentence: sentence), forKey: subject)
        // A card can go from one driver to the next; the other kinds are told whatever the details.
        let isTold = last?.kind == kind && (kind != .takenAway || last?.sentence == sentence)
        if !isTold, let event = event() { tell(event) }
    }
}

/// One way in which a claim is not as it should be.
private struct Finding: Hashable {
    enum Kind: Hashable {
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

    var kind: Kind
    var sentence: String
}

/// What one look finds.
private struct Observation {
    /// What findings are about.
    var subjects: Set<String> = []
    /// What may pass, and is not told yet.
    var suspicions: Set<String> = []
    /// Whether what it did not find is not there.
    var seesAll = true
}
