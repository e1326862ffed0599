package import Aperture
package import KernelFiles
package import Record
package import Units
package import VFIO

/// The machine as a claim uses it: reads, writes, records and the proof. Every write of the program goes through it.
package protocol Host: SendableMetatype {
    /// Reads the machine.
    /// - Parameter withHolders: Whether to look for the processes that have the devices' nodes open.
    func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot

    /// The text of a sysfs attribute; `nil` when there is no such file, or it reads `(null)`.
    func attribute(_ path: String) throws(FileTreeError) -> String?

    /// The driver that a device directory is linked to; `nil` for none.
    func driver(ofDevice path: String) throws(FileTreeError) -> String?

    /// Whether there is such a file or directory.
    func exists(_ path: String) -> Bool

    /// A number that distinguishes a device directory from an earlier one of the same name; `nil` when there is no such
    /// directory.
    func identity(ofDevice path: String) -> UInt64?

    /// Writes a value to an attribute, in one write.
    func write(_ value: String, to path: String) throws(FileTreeError)

    /// Loads a kernel module with its dependencies.
    func load(module: String) throws(ModuleError)

    /// Unloads a kernel module. Fails when something uses it.
    func unload(module: String) throws(ModuleError)

    /// The name of a system service's own unit file, which its processes' control groups have; the name itself when it is
    /// no alias, or cannot be resolved.
    func unitName(_ name: String) -> String

    /// Stops a system service, and returns when it has stopped.
    func stop(unit: String) throws(UnitError)

    /// Starts a system service. In a unit, the start is only put into systemd's queue; see ``Services/start(_:waits:)``.
    func start(unit: String) throws(UnitError)

    /// Whether a system service runs.
    func isActive(unit: String) throws(UnitError) -> Bool

    /// Whether the system is shutting down; false where that is not known.
    func isStopping() -> Bool

    /// Writes to a bus's `rescan` file, and sets this driver override on the function that appears. A native driver can
    /// still be faster: the kernel offers no way to hold it back.
    func rescan(_ path: String, for address: PCIAddress, override: String) throws(FileTreeError)

    /// Waits for this long, between two looks at a state that changes without an event.
    func pause(milliseconds: Int32)

    /// The name of the signal that asks this process to stop; `nil` while none has come. A claim stops before its next
    /// write; a release or an undo that has begun goes on to its end.
    func interruption() -> String?

    /// The time, in seconds since 1970-01-01T00:00:00Z.
    func time() -> Int64

    /// The system service that this process belongs to; `nil` for none.
    func ownUnit() -> String?

    /// When a process was started, in clock ticks since the boot; `nil` when there is no such process.
    func startTime(ofProcess process: Int32) -> UInt64?

    /// The card's record; `nil` when it has none.
    func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord?

    /// The cards that have a record.
    func recorded() throws(RecordError) -> [PCIAddress]

    /// Writes the record atomically: after a kill there is the old record or the new one.
    func save(_ record: ClaimRecord) throws(RecordError)

    /// Removes the card's record.
    func removeRecord(of gpu: PCIAddress) throws(RecordError)

    /// Does the work while no other run of apertured may change the machine.
    /// - Parameter milliseconds: How long to wait for another run.
    func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome

    /// Maps every BAR of every function through VFIO.
    func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof]
}

extension Host {
    /// ``snapshot(_:withHolders:)`` with this module's error; by default with the processes that have the card's nodes
    /// open.
    package func read(_ scope: SnapshotScope, withHolders: Bool = true) throws(ReclaimError) -> Snapshot {
        do { return try snapshot(scope, withHolders: withHolders) } catch { throw .snapshot(error) }
    }

    /// The options with the units' own names, each once: a plan compares them with those of processes.
    package func resolved(_ options: ClaimOptions) -> ClaimOptions {
        var resolved = options
        resolved.stoppableUnits = []
        for name in options.stoppableUnits.map(unitName)
        where !resolved.stoppableUnits.contains(name) && ServiceName.objection(to: name) == nil {
            resolved.stoppableUnits.append(name)
        }
        return resolved
    }

    /// - Throws: ``ReclaimError/interrupted(by:)`` when a signal asks this process to stop. Call it before a write.
    package func heedInterruption() throws(ReclaimError) {
        if let signal = interruption() { throw .interrupted(by: signal) }
    }
}

// MARK: - Records

extension Host {
    /// ``record(of:)`` with this module's error.
    package func loadRecord(of gpu: PCIAddress) throws(ReclaimError) -> ClaimRecord? {
        do { return try record(of: gpu) } catch { throw .record(error) }
    }

    /// ``recorded()`` with this module's error.
    package func recordedGPUs() throws(ReclaimError) -> [PCIAddress] {
        do { return try recorded() } catch { throw .record(error) }
    }

    /// ``save(_:)`` with this module's error.
    package func store(_ record: ClaimRecord) throws(ReclaimError) {
        do { try save(record) } catch { throw .record(error) }
    }

    /// ``removeRecord(of:)`` with this module's error.
    package func forgetRecord(of gpu: PCIAddress) throws(ReclaimError) {
        do { try removeRecord(of: gpu) } catch { throw .record(error) }
    }

    /// Whether another card has replaced the one that the record is about.
    func isReplaced(_ record: ClaimRecord) -> Bool {
        identity(ofDevice: KernelPath.device(record.gpu)).map(record.isStale) ?? false
    }

    /// - Throws: ``ReclaimError/stuck(_:)`` when a write of an earlier run is still stuck in the kernel.
    func expectNoStuckWrite(_ record: ClaimRecord) throws(ReclaimError) {
        guard let write = record.stuckWrite, startTime(ofProcess: write.process) == write.started else { return }
        throw .stuck(write)
    }

    /// The part of a failure that the record keeps: the process that must end before anything else is written to the
    /// card.
    func stuckWrite(of failure: StepFailure?) -> ClaimRecord.StuckWrite? {
        guard let failure, let process = failure.stuckProcess, let started = startTime(ofProcess: process) else {
            return nil
        }
        return ClaimRecord.StuckWrite(path: failure.step.path, process: process, started: started)
    }
}
