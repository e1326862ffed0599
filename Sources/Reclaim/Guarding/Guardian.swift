package import Aperture
internal import Record

/// Looks after one claimed card: decides, at each event, what has changed and what is to be done about it. It waits for
/// nothing itself.
package struct Guardian<H: Host> {
    /// What is to happen next.
    package enum Decision: Hashable, Sendable {
        case goOn
        /// The card is gone: the guard has nothing left to do.
        case end
        /// A framebuffer is over the card, and nobody uses it: claim it again.
        case claimAgain
    }

    private let host: H
    private let address: PCIAddress
    private let options: ClaimOptions
    private let tell: (GuardEvent) -> Void
    /// What was told last, so that nothing is told twice.
    private var told: Set<String> = []
    /// The device that was claimed. One that was removed and is back under its address is another, and the event that
    /// would say so can be lost, or forgotten with those of a claim of our own.
    private var identity: UInt64?

    package init(host: H, address: PCIAddress, options: ClaimOptions, tell: @escaping (GuardEvent) -> Void) {
        self.host = host
        self.address = address
        self.options = options
        self.tell = tell
        identity = host.identity(ofDevice: KernelPath.device(address))
    }

    /// After a claim of our own, which may have removed the device and rescanned its bus.
    package mutating func acceptDevice() {
        identity = host.identity(ofDevice: KernelPath.device(address))
    }

    /// Reads the machine anew and compares it with the claim.
    package mutating func check() -> Decision {
        do {
            let snapshot = try host.snapshot(withHolders: false)
            let record = try host.record(of: address)
            // Not to be taken for a card that is gone.
            if let found = snapshot.unreadable.first(where: { $0.address == address }) {
                if told.insert(found.reason).inserted { tell(.failed(found.reason)) }
                return .goOn
            }
            guard snapshot.function(at: address) != nil else {
                // A rescan is part of a claim: the card is only away.
                guard record?.state != .claiming else { return .goOn }
                tell(.gone)
                return .end
            }
            // A claim or a release of our own is going on: what changes is its doing.
            guard record?.state == .claimed else { return .goOn }
            guard host.identity(ofDevice: KernelPath.device(address)) == identity else {
                tell(.gone)
                return .end
            }
            let plan = Planner.plan(for: address, in: snapshot, options: options)
            // Who uses the card only matters when something is over it, and takes a walk through /proc.
            return compare(plan, plan.conflicts.isEmpty ? snapshot : try host.snapshot(withHolders: true))
        } catch {
            tell(.failed("\(error)"))
            return .goOn
        }
    }

    private mutating func compare(_ plan: Plan, _ snapshot: Snapshot) -> Decision {
        var now: Set<String> = []
        for function in plan.functions where function.driver != KernelPath.vfioDriver {
            let key = "\(function.address) \(function.driver ?? "-")"
            now.insert(key)
            if !told.contains(key) { tell(.takenAway(function.address, driver: function.driver)) }
        }
        var decision = Decision.goOn
        let isOurs = now.isEmpty
        for conflict in plan.conflicts {
            guard case .framebuffer = conflict.owner else { continue }
            let holders = plan.functions.flatMap(snapshot.holders(of:))
            let key = "\(conflict.claim)"
            now.insert(key)
            if !holders.isEmpty {
                if !told.contains(key) { tell(.lateFramebufferInUse(conflict, holders)) }
            } else if isOurs, !told.contains(key) {
                tell(.lateFramebuffer(conflict))
                decision = .claimAgain
            }
        }
        if now.isEmpty, !told.isEmpty { tell(.sound) }
        // What was evicted is told again if it comes back; what is fought over by someone else is told once.
        told = decision == .claimAgain ? [] : now
        return decision
    }
}
