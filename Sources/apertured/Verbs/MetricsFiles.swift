internal import Aperture
internal import Configuration
internal import Enabling
internal import Guard
internal import KernelFiles
internal import Reclaim
internal import Record

/// The files that `[Metrics]` of apertured.conf names. A verb that writes keeps them as new as the cards.
///
/// A run reads the machine and writes the files under a lock, so that of two runs the later one also has read later. No
/// failure is the verb's: it is told, and once for a row of them.
final class MetricsFiles {
    /// How long to wait for another run that counts or writes, in milliseconds.
    static let lockDeadline: Int32 = 10_000

    private let host: MachineHost
    private let warn: (String) -> Void
    private var hasWarned = false

    /// - Parameters:
    ///   - host: Reads with deadlines, and ticks while it waits.
    ///   - warn: Tells why the files are not written: a clause without a full stop.
    init(on host: MachineHost, warn: @escaping (String) -> Void) {
        self.host = host
        self.warn = warn
    }

    /// Writes the files anew, if the configuration names some.
    func refresh() {
        do {
            let section = try ConfigurationReader(tree: host.tree).read().metrics
            guard !section.isEmpty else { return }
            let lock = try CounterStore(tree: host.tree).lock(within: Self.lockDeadline, tick: host.tick)
            let snapshot = try host.snapshot(.all, withHolders: true)
            let rows = GPUStatus.rows(of: snapshot.gpus.map(\.address).sorted(), in: snapshot, on: host)
            let time = host.time()
            let isFileWritten = write(to: section.file) {
                MetricsText(rows, in: snapshot, on: host.tree, time: time).text
            }
            let areLabelsWritten = write(to: section.nodeFeatures) { () throws(PublishedFile.Failure) in
                try NodeFeatures(rows, unreadable: snapshot.unreadable.count, expiry: time + NodeFeatures.year)
                    .checked()
            }
            if isFileWritten, areLabelsWritten { hasWarned = false }
            // The lock is held until here.
            _ = consume lock
        } catch {
            complain("the metrics are not written: \(error)")
        }
    }

    /// Writes one file, which does not depend on the other.
    /// - Returns: Whether it was written, or there is none.
    private func write(
        to path: String?, _ text: () throws(PublishedFile.Failure) -> String
    ) -> Bool {
        guard let path else { return true }
        do {
            try PublishedFile(path: path, tree: host.tree).write(text())
            return true
        } catch {
            complain("\(error)")
            return false
        }
    }

    /// Tells a failure, and those behind it only after everything was written again.
    func complain(_ reason: String) {
        if !hasWarned { warn(reason) }
        hasWarned = true
    }
}

/// Counts the claims of one card as they end, and keeps ``MetricsFiles`` new.
final class ClaimMetrics {
    private let address: PCIAddress
    private let host: MachineHost
    private let files: MetricsFiles
    /// When the claim began, by CLOCK_MONOTONIC in milliseconds: with its first plan.
    private var began: Int64?
    /// Whether the end of this claim was counted. A claim may be refused for several reasons, and fails once.
    private var isCounted = false
    private var isGuarding = false

    init(_ address: PCIAddress, on host: MachineHost, warn: @escaping (String) -> Void) {
        self.address = address
        self.host = host
        files = MetricsFiles(on: host, warn: warn)
    }

    /// Writes the files anew, if the configuration names some.
    func refresh() { files.refresh() }

    /// Follows a claim.
    /// - Parameter time: When the event came, of ``GuardLoop/now``.
    func follow(_ event: ClaimEvent, at time: Int64 = GuardLoop.now) {
        guard case .planned = event else { return }
        began = time
        isCounted = false
    }

    /// Follows a guard.
    /// - Parameter time: When the event came, of ``GuardLoop/now``.
    /// - Returns: Whether the files are older than what happened.
    func follow(_ event: GuardEvent, at time: Int64 = GuardLoop.now) -> Bool {
        switch event {
        case .begins:
            (began, isCounted, isGuarding) = (nil, false, false)
            return false
        case .claim(let event):
            follow(event, at: time)
            return false
        case .claimed:
            succeed(at: time)
            // At the start `guarding` comes next.
            return isGuarding
        case .claimRefused(let refusal): return fail(refusal.code.rawValue)
        // A reload claims nothing.
        case .configurationRefused(let refusal): return !isGuarding && fail(refusal.code.rawValue)
        case .claimFailed(let failure, _): return failure.code.map(fail) ?? true
        case .failed: return isGuarding || fail(Self.unnamed)
        case .guarding:
            isGuarding = true
            return true
        case .guardedByOther: return fail(Refusal.Code.locked.rawValue)
        case .released, .releaseRefused, .ruleUndone: return true
        case .recovered, .stopped, .lateFramebufferInUse, .takenAway, .dead, .releasedByOther, .sound, .gone:
            return true
        // What follows these says how they end.
        case .configurationWarning, .waiting, .endingSplash, .splashNotAsked, .statusNotTold, .lateFramebuffer,
            .ueventsLost:
            return false
        }
    }

    /// The code of a failure that has no other.
    static let unnamed = "failed"

    /// Counts a claim that has an outcome.
    func count(_ outcome: ClaimOutcome) {
        switch outcome.result {
        case .claimed, .nothingToDo: succeed()
        case .refused: fail(outcome.plan.refusals.first?.code.rawValue ?? Self.unnamed)
        case .failed(let failure): if let code = failure.code { fail(code) }
        }
    }

    /// Counts a claim that ended well at this time, of ``GuardLoop/now``.
    private func succeed(at time: Int64 = GuardLoop.now) {
        let duration = began.map { Int(time - $0) }
        count { $0.succeed(after: duration) }
    }

    /// Counts a claim that failed.
    /// - Returns: Whether it was counted: false for a further reason of the same failure.
    @discardableResult
    func fail(_ code: String) -> Bool {
        guard !isCounted else { return false }
        count { $0.fail(code) }
        return true
    }

    private func count(_ change: (inout ClaimCounters) -> Void) {
        isCounted = true
        // Nothing of apertured is on this machine yet, and the refusal leaves it so.
        guard host.hasRecords else { return }
        do {
            try CounterStore(tree: host.tree).update(
                address, within: MetricsFiles.lockDeadline, tick: host.tick, change)
        } catch {
            files.complain("the claim is not counted: \(error)")
        }
    }
}

extension ReclaimError {
    /// The code by which failures are counted; `nil` for an interruption, which is no failure.
    var code: String? {
        switch self {
        case .record(.interrupted), .interrupted: nil
        case .record(.locked): Refusal.Code.locked.rawValue
        case .record: "record-failed"
        case .snapshot: "snapshot-failed"
        case .stuck: "stuck-write"
        case .notRecovered: "not-recovered"
        case .step(let failure): failure.code?.rawValue ?? "step-failed"
        case .refusedMidway(let refusals): refusals.first?.code.rawValue ?? ClaimMetrics.unnamed
        case .noProgress: "no-progress"
        case .lostBARs: Refusal.Code.barUnassigned.rawValue
        case .vfio, .unproven: "not-proven"
        }
    }
}

extension GPUStatus {
    /// The status of these GPUs.
    static func rows(of addresses: [PCIAddress], in snapshot: Snapshot, on host: MachineHost) -> [GPUStatus] {
        let enablements = EnablementReader(tree: host.tree)
        let joint = JointEnablement(of: host.tree)
        return addresses.map { address in
            GPUStatus(
                plan: Planner.plan(for: address, in: snapshot), snapshot: snapshot, claim: Claim(of: address, on: host),
                enablement: joint.adding(to: enablements.read(address)))
        }
    }
}

extension JointEnablement {
    /// What the machine below the root has.
    init(of tree: FileTree) {
        do {
            let cards = try SnapshotReader(tree: tree).cards()
            self.init(tree: tree, among: cards, isRunning: GuardLock.lastBeat(in: tree) != nil)
        } catch {
            self.init(unknown: "\(error)")
        }
    }
}

extension MetricsText {
    /// The metrics of these GPUs, with their counters below the root.
    init(_ rows: [GPUStatus], in snapshot: Snapshot, isAll: Bool = true, on tree: FileTree, time: Int64) {
        let store = CounterStore(tree: tree)
        let cards = rows.map { row in
            // Counters that cannot be read are unknown, and said to be.
            Card(row: row, counters: try? store.load(row.plan.address))
        }
        self.init(cards, in: snapshot, unreadable: isAll ? snapshot.unreadable.map(\.address) : [], time: time)
    }
}

extension NodeFeatures {
    /// The text. Throws when node-feature-discovery would not read it.
    func checked() throws(PublishedFile.Failure) -> String {
        guard text.utf8.count <= Self.largest else {
            throw PublishedFile.Failure(
                description:
                    "the labels take \(text.utf8.count) bytes, and node-feature-discovery reads \(Self.largest) "
                    + "at most")
        }
        return text
    }
}
