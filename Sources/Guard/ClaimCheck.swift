package import Aperture
package import Reclaim
internal import Record

/// Compares the machine with one card's claim at each wake-up of its guard, and decides what to do. It never waits and
/// never writes.
package struct ClaimCheck<H: Host> {
    /// What the guard does next.
    package enum Decision: Hashable, Sendable {
        /// Nothing; wait for the next wake-up.
        case goOn
        /// The state may change soon without an event of its own, so look again in a moment.
        case lookAgain
        /// The card is gone, so the guard ends.
        case end
        /// A framebuffer is in the card's BARs and nobody has the card open, so claim it again.
        case claimAgain
    }

    /// An interrupted run never finishes, so stop polling after this many looks and wait for an event.
    private static var mostLooks: Int { 60 }

    private let host: H
    private let address: PCIAddress
    private let options: ClaimOptions
    private let tell: (GuardEvent) -> Void
    /// The findings reported so far, by subject. A finding stays until its subject is right again, so that it is
    /// reported once.
    private var told: [String: Finding] = [:]
    /// The subjects that the last look could not judge yet.
    private var suspicions: Set<String> = []
    private var looks = 0

    /// What is wrong with the claim, one sentence each; empty when the claim holds.
    package private(set) var complaints: [String] = []

    /// - Parameter tell: Receives each finding once; it logs.
    package init(host: H, address: PCIAddress, options: ClaimOptions, tell: @escaping (GuardEvent) -> Void) {
        self.host = host
        self.address = address
        self.options = options
        self.tell = tell
    }

    /// Call this after ``Decision/claimAgain`` when the claim succeeded. A framebuffer that comes back is reported
    /// again.
    package mutating func claimSucceeded() {
        (told, suspicions, complaints) = ([:], [], [])
    }

    /// Call this after ``Decision/claimAgain`` when the claim failed. Another try would fail too, so the framebuffers
    /// that it should have evicted are left alone until they go.
    package mutating func claimFailed() {
        for (subject, finding) in told where finding.kind == .evicting { told[subject]?.kind = .unevictable }
        complaints.append("The eviction failed; see the journal.")
    }

    /// Reads the machine and compares it with the claim.
    package mutating func check() -> Decision {
        var observation = Observation()
        let decision: Decision
        do {
            let snapshot = try host.snapshot(.watch(address), withHolders: false)
            // A signal ends the waiting of a `watch` snapshot, which is then incomplete.
            if host.interruption() != nil { return .goOn }
            let record = try host.record(of: address)
            if let record, record.state != .claimed, looks < Self.mostLooks {
                // Another run is claiming or releasing the card, perhaps by a rescan: the changes are its own.
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
        // Keep the findings that this look could not check, and those whose subject may still change by itself.
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
        // An unreadable card must not look like a card that is gone.
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
        // The other run was interrupted. The next run recovers from it.
        guard record.state == .claimed else { return .goOn }
        // A card that was removed and came back has a new sysfs directory, and the remove event can be lost.
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
        // The holders only matter when there is a conflict, and finding them takes a walk through /proc.
        let decision =
            plan.conflicts.isEmpty
            ? .goOn : compareConflicts(plan, try host.snapshot(.watch(address), withHolders: true), &observation)
        return decision == .goOn && !isSettled ? .lookAgain : decision
    }

    /// Reports a missing record at the second look only: the unit's own release ends the guard right after it.
    private mutating func released(_ observation: inout Observation) -> Decision {
        guard told["record"] != nil || suspicions.contains("record") else {
            observation.suspicions.insert("record")
            return .lookAgain
        }
        note("record", .released, "Released by someone else, and not guarded.", .releasedByOther, &observation)
        return .goOn
    }

    /// - Returns: Whether the driver of each function is final. A function without a driver may be about to get one, or
    ///   to be removed.
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
        let holders = snapshot.holders(of: plan.functions)
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
                // A claim would be refused now. The bind or unbind that holds the lock makes an event when it ends.
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

    /// Keeps a finding, and reports it unless it is the one that was last reported for this subject.
    private mutating func note(
        _ subject: String, _ kind: Finding.Kind, _ sentence: String, _ event: @autoclosure () -> GuardEvent?,
        _ observation: inout Observation
    ) {
        observation.subjects.insert(subject)
        let last = told.updateValue(Finding(kind: kind, sentence: sentence), forKey: subject)
        // A card can go from one driver to the next, so compare the driver too. For the other kinds details do not
        // count.
        let isTold = last?.kind == kind && (kind != .takenAway || last?.sentence == sentence)
        if !isTold, let event = event() { tell(event) }
    }
}

/// One thing that is wrong with a claim.
private struct Finding: Hashable {
    enum Kind: Hashable {
        case unreadable
        case dead
        case takenAway
        case released
        /// A framebuffer is in the card's BARs, and a process has the card open.
        case inUse
        /// A framebuffer is in the card's BARs, and the guard is to evict it.
        case evicting
        /// The guard could not evict the framebuffer.
        case unevictable
        /// A framebuffer is in the BARs of a card that was taken away or is dead, so the guard leaves it alone.
        case overlooked
    }

    var kind: Kind
    var sentence: String
}

/// What one look found.
private struct Observation {
    /// The subjects of the findings.
    var subjects: Set<String> = []
    /// The subjects whose state may pass by itself, and is not reported yet.
    var suspicions: Set<String> = []
    /// Whether this look read everything: a finding that it did not make again is over.
    var seesAll = true
}
