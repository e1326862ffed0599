package import Aperture

/// What is known of one claim while it lasts: its state, and everything that is needed to give the card back.
package struct ClaimRecord: Hashable, Sendable {
    /// The state of a claim. The raw values are the file's.
    package enum State: String, Hashable, Sendable {
        /// A run is making the claim. When a later run finds this, the claim was interrupted.
        case claiming
        /// The claim is complete, and nothing is being written.
        case claimed
        /// A run is giving the card back. When a later run finds this, the release was interrupted.
        case releasing
    }

    /// A step of the current run, which was done or about to be done.
    package struct Mark: Hashable, Sendable {
        /// ``PlanStep/Action`` as text.
        package var action: String
        /// ``PlanStep/target``.
        package var target: String
        /// ``PlanStep/path``.
        package var path: String
        /// ``PlanStep/value``, byte for byte.
        package var value: String

        /// A mark as a record describes it.
        package init(action: String, target: String, path: String, value: String) {
            self.action = action
            self.target = target
            self.path = path
            self.value = value
        }
    }

    /// A write of an interrupted run that had not returned from the kernel when its deadline passed.
    package struct StuckWrite: Hashable, Sendable {
        /// The file that was being written.
        package var path: String
        /// The process that is stuck in the kernel with the write.
        package var process: Int32
        /// When the process was started, in clock ticks since the boot (proc(5), `/proc/PID/stat`, field 22): the
        /// kernel reuses process IDs.
        package var started: UInt64

        /// A write as a record describes it.
        package init(path: String, process: Int32, started: UInt64) {
            self.path = path
            self.process = process
            self.started = started
        }
    }

    /// A proof that VFIO maps every memory BAR of the claimed functions.
    package struct Proof: Hashable, Sendable {
        /// When it was made, in seconds since 1970-01-01T00:00:00Z.
        package var time: Int64
        /// How many memory BARs were mapped.
        package var bars: Int

        /// A proof as a record describes it.
        package init(time: Int64, bars: Int) {
            self.time = time
            self.bars = bars
        }
    }

    /// The card; it also names the record's file.
    package var gpu: PCIAddress
    /// How far the claim has come.
    package var state: State
    /// The state that a release goes back to.
    package var prior: PriorState
    /// The state that an undo of the current run goes back to: for a card that was claimed before the run, that claim.
    package var start: PriorState
    /// Whether the card was claimed before the current run.
    package var wasClaimed: Bool
    /// Native drivers that the claim may have bound, for a bounce.
    package var nativeDrivers: Set<String>
    /// nvidia's modules that the claim has unloaded, or was about to, in the order of unloading.
    package var unloadedModules: [String]
    /// The steps of the current run, in order.
    package var marks: [Mark]
    /// The write that is stuck, if there is one: while its process lives, nothing may be written to the card.
    package var stuckWrite: StuckWrite?
    /// The inode number of the device's folder in sysfs; `nil` when there was none. A card that was removed and found
    /// again has a new folder, and nothing of the claim applies to it.
    package var device: UInt64?
    /// When the claim was complete, in seconds since 1970-01-01T00:00:00Z; `nil` before that, and in the record of a
    /// program that did not write it.
    package var since: Int64?
    /// The last proof of the complete claim; `nil` without one.
    package var proof: Proof?
    /// The system service that made the claim, `apertured@0000:01:00.0.service`; `nil` for a claim by hand.
    package var unit: String?
    /// The system services that the claim has stopped, or was about to, in the order of stopping: they are started when the
    /// card is the host's again. Empty in the record of a program that stopped none.
    package var stoppedUnits: [String] = []

    /// Those of ``stoppedUnits`` that the current run has stopped, or was about to.
    package var unitsStoppedByRun: [String] {
        let targets = marks.filter { $0.action == PlanStep.Action.stopUnit.rawValue }.map(\.target)
        return stoppedUnits.filter(targets.contains)
    }

    /// Whether the current run has removed the card for a rescan, or was about to.
    package var hasRemovedCard: Bool {
        marks.contains { $0.action == PlanStep.Action.removeDevice.rawValue }
    }

    /// Whether the record is about another device than this one. False after a run that removed the card itself, as the
    /// inode number then tells nothing.
    package func isStale(for device: UInt64?) -> Bool { self.device != device && !hasRemovedCard }

    /// The record of the complete claim, after the current run.
    package func standing(of device: UInt64?) -> ClaimRecord {
        var record = self
        record.state = .claimed
        record.marks = []
        record.nativeDrivers = []
        record.stuckWrite = nil
        record.device = device
        return record
    }

    /// The record of the complete claim, after a run that ended well.
    /// - Parameters:
    ///   - time: Now, in seconds since 1970-01-01T00:00:00Z.
    ///   - bars: How many memory BARs the run's proof mapped; `nil` when it proved nothing.
    ///   - unit: The system service that this run belongs to.
    package func completed(at time: Int64, bars: Int?, by unit: String?, device: UInt64?) -> ClaimRecord {
        var record = standing(of: device)
        record.since = since ?? time
        record.proof = bars.map { Proof(time: time, bars: $0) }
        record.unit = unit
        return record
    }

    /// A record with these facts; a new claim has no marks yet.
    package init(
        gpu: PCIAddress, state: State, prior: PriorState, start: PriorState, wasClaimed: Bool = false,
        nativeDrivers: Set<String> = [], unloadedModules: [String] = [], marks: [Mark] = [],
        stuckWrite: StuckWrite? = nil, device: UInt64? = nil
    ) {
        self.unloadedModules = unloadedModules
        self.gpu = gpu
        self.state = state
        self.prior = prior
        self.start = start
        self.wasClaimed = wasClaimed
        self.nativeDrivers = nativeDrivers
        self.marks = marks
        self.stuckWrite = stuckWrite
        self.device = device
    }
}
