package import Aperture
package import Record
package import KernelFiles
package import VFIO

/// The machine, as the claim sees it: it is read, it is written to, and it can be asked for the proof. The only writer.
package protocol Host {
    /// - Parameter withHolders: Whether to look for who has nodes of the devices open.
    func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot

    /// An attribute's text as the kernel shows it now; `nil` when it is not there, or is `(null)`.
    func attribute(_ path: String) throws(FileTreeError) -> String?

    /// The driver a device directory is linked to; `nil` for none.
    func driver(ofDevice path: String) throws(FileTreeError) -> String?

    func exists(_ path: String) -> Bool

    /// What tells a device directory from an earlier one of the same name; `nil` when there is none.
    func identity(ofDevice path: String) -> UInt64?

    /// One write to one attribute.
    func write(_ value: String, to path: String) throws(FileTreeError)

    /// Loads a kernel module with its dependencies.
    func load(module: String) throws(ModuleError)

    /// Unloads a kernel module, if nothing uses it.
    func unload(module: String) throws(ModuleError)

    /// Writes to a bus's `rescan` file, and gives the function that appears this override before a native driver can
    /// take it, as far as the kernel lets anyone.
    func rescan(_ path: String, for address: PCIAddress, override: String) throws(FileTreeError)

    /// Waits for what may end a claim without an event of its own; returns after the interval at the latest.
    func pause(milliseconds: Int32)

    /// The signal that asks this process to stop, by name; `nil` while none has come. A claim heeds it before its next
    /// write; a way back goes on to its end.
    func interruption() -> String?

    /// When a process was started, in clock ticks since the boot; `nil` when there is none.
    func startTime(ofProcess process: Int32) -> UInt64?

    /// The card's record; `nil` when it has none.
    func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord?

    /// The cards that have a record.
    func recorded() throws(RecordError) -> [PCIAddress]

    /// Writes the record so that a kill leaves the old one or the new one.
    func save(_ record: ClaimRecord) throws(RecordError)

    func removeRecord(of gpu: PCIAddress) throws(RecordError)

    /// Does the work while no other run of apertured may change the machine.
    /// - Parameter milliseconds: How long another one is waited for.
    func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome

    /// Maps every BAR of every function through VFIO.
    func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof]
}

extension Host {
    /// A snapshot with who has the card's nodes open.
    package func read(_ scope: SnapshotScope) throws(ReclaimError) -> Snapshot {
        do { return try snapshot(scope, withHolders: true) } catch { throw .snapshot(error) }
    }

    /// Whoever wants an end of it gets it before the next write.
    package func heedInterruption() throws(ReclaimError) {
        if let signal = interruption() { throw .interrupted(by: signal) }
    }
}

// MARK: - Records

extension Host {
    package func loadRecord(of gpu: PCIAddress) throws(ReclaimError) -> ClaimRecord? {
        do { return try record(of: gpu) } catch { throw .record(error) }
    }

    package func recordedGPUs() throws(ReclaimError) -> [PCIAddress] {
        do { return try recorded() } catch { throw .record(error) }
    }

    package func store(_ record: ClaimRecord) throws(ReclaimError) {
        do { try save(record) } catch { throw .record(error) }
    }

    package func forgetRecord(of gpu: PCIAddress) throws(ReclaimError) {
        do { try removeRecord(of: gpu) } catch { throw .record(error) }
    }

    /// Whether another card is in the place of the one that the record is about.
    func isReplaced(_ record: ClaimRecord) -> Bool {
        identity(ofDevice: KernelPath.device(record.gpu)).map(record.isStale) ?? false
    }

    /// - Throws: ``ReclaimError/stuck(_:)`` when nothing may be written to the card.
    func expectNoStuckWrite(_ record: ClaimRecord) throws(ReclaimError) {
        guard let write = record.stuckWrite, startTime(ofProcess: write.process) == write.started else { return }
        throw .stuck(write)
    }

    /// What is to be kept of a failure: which process must end before anything else is written to the card.
    func stuckWrite(of failure: StepFailure?) -> ClaimRecord.StuckWrite? {
        guard let failure, let process = failure.stuckProcess, let started = startTime(ofProcess: process) else {
            return nil
        }
        return ClaimRecord.StuckWrite(path: failure.step.path, process: process, started: started)
    }
}
