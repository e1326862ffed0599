package import Aperture
package import KernelFiles
package import Reclaim
package import Record
package import Units
package import VFIO

/// The machine as one card's thread uses it: its snapshots are shared with the other cards, and the records' lock is the
/// whole process's.
package struct JointHost<H: Host>: Host {
    /// What the threads of one guard share.
    package struct Shared: Sendable {
        /// The lock of the records.
        let lock: JointLock
        /// The snapshots.
        let reads: JointReads<H>
        /// Takes the kernel's lock of the records, and returns what holds it.
        let take: Take
        /// The IOMMU groups that a thread has open for its proof.
        let groups = Monitor<Set<Int>>([])

        /// Takes the kernel's lock within so many milliseconds. The closure is called during the wait, and ends it with a
        /// signal's name.
        package typealias Take = @Sendable (Int32, () -> String?) throws(ReclaimError) -> AnyObject

        /// - Parameter take: Takes the kernel's lock of the records, and returns what holds it.
        package init(lock: JointLock, reads: JointReads<H>, take: @escaping Take) {
            self.lock = lock
            self.reads = reads
            self.take = take
        }
    }

    /// Whether the card's next change may go on beside those of other cards.
    final class Company {
        var isAlone = true
    }

    private let base: H
    private let card: PCIAddress
    private let shared: Shared
    private let company: Company
    private let signal: () -> String?

    /// - Parameters:
    ///   - base: The machine, for this thread alone.
    ///   - signal: The signal that asks the guard to stop; `nil` while none has come.
    init(_ base: H, for card: PCIAddress, shared: Shared, company: Company, signal: @escaping () -> String?) {
        self.base = base
        self.card = card
        self.shared = shared
        self.company = company
        self.signal = signal
    }

    /// The same for a release, which the guard's own stop does not end.
    var unstoppable: Self { Self(base, for: card, shared: shared, company: company, signal: { nil }) }

    /// Shared where the scope is this card alone.
    package func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot {
        guard let purpose = scope.purpose, scope.card == card else {
            return try base.snapshot(scope, withHolders: withHolders)
        }
        return try shared.reads.snapshot(purpose, of: card, withHolders: withHolders)
    }

    /// The stop of the whole guard.
    package func interruption() -> String? { signal() }

    /// Inside the process's lock, beside other cards or alone.
    package func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome {
        let alone = company.isAlone
        return try shared.lock.locked(
            alone: alone, within: milliseconds, unless: signal,
            take: { () throws(ReclaimError) in try shared.take(milliseconds, signal) },
            { () throws(ReclaimError) in
                if !alone { shared.reads.join(card) }
                defer { if !alone { shared.reads.leave(card) } }
                return try work()
            })
    }

    /// One proof of a group at a time: only one process, and only once, may have a VFIO group open
    /// (`vfio_group_fops_open()`).
    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        let groups = Set(targets.compactMap(\.group))
        _ = shared.groups.wait { taken -> Bool? in
            guard taken.isDisjoint(with: groups) else { return nil }
            taken.formUnion(groups)
            return true
        }
        defer { shared.groups.change { $0.subtract(groups) } }
        return try base.prove(targets)
    }

    // MARK: - As the machine does it

    package func attribute(_ path: String) throws(FileTreeError) -> String? { try base.attribute(path) }

    package func driver(ofDevice path: String) throws(FileTreeError) -> String? { try base.driver(ofDevice: path) }

    package func exists(_ path: String) -> Bool { base.exists(path) }

    package func identity(ofDevice path: String) -> UInt64? { base.identity(ofDevice: path) }

    package func write(_ value: String, to path: String) throws(FileTreeError) { try base.write(value, to: path) }

    package func load(module: String) throws(ModuleError) { try base.load(module: module) }

    package func unload(module: String) throws(ModuleError) { try base.unload(module: module) }

    package func unitName(_ name: String) -> String { base.unitName(name) }

    package func stop(unit: String) throws(UnitError) { try base.stop(unit: unit) }

    package func start(unit: String) throws(UnitError) { try base.start(unit: unit) }

    package func isActive(unit: String) throws(UnitError) -> Bool { try base.isActive(unit: unit) }

    package func isStopping() -> Bool { base.isStopping() }

    package func rescan(_ path: String, for address: PCIAddress, override: String) throws(FileTreeError) {
        try base.rescan(path, for: address, override: override)
    }

    package func pause(milliseconds: Int32) { base.pause(milliseconds: milliseconds) }

    package func time() -> Int64 { base.time() }

    package func ownUnit() -> String? { base.ownUnit() }

    package func startTime(ofProcess process: Int32) -> UInt64? { base.startTime(ofProcess: process) }

    package func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? { try base.record(of: gpu) }

    package func recorded() throws(RecordError) -> [PCIAddress] { try base.recorded() }

    package func save(_ record: ClaimRecord) throws(RecordError) { try base.save(record) }

    package func removeRecord(of gpu: PCIAddress) throws(RecordError) { try base.removeRecord(of: gpu) }
}

extension Plan {
    /// Whether a claim by this plan touches nothing of another card's: a VFIO driver that is loaded, overrides, evictions,
    /// and drivers that let go of the card and take it. A rescan, a service or a native driver's module may concern others.
    var keepsToItsCard: Bool {
        steps.allSatisfy { step in
            switch step.rung {
            case .prepare, .override, .evict, .unbind, .bind: step.action != .unloadModule
            default: false
            }
        }
    }
}

extension ClaimRecord {
    /// Whether giving the card back touches nothing of another card's.
    var keepsToItsCard: Bool {
        !hasRemovedCard && unloadedModules.isEmpty && stoppedUnits.isEmpty && nativeDrivers.isEmpty
    }
}
