package import Aperture

/// What is known of one claim while it lasts: where it stands, and all that is needed to give the card back.
package struct ClaimRecord: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        /// Writes are being made; found by a later run, the claim was cut short.
        case claiming
        case claimed
        /// The card is being given back; found by a later run, that was cut short.
        case releasing
    }

    /// A step of the run that is going on, which has been made or was about to be.
    package struct Mark: Hashable, Sendable {
        package var action: String
        package var target: String
        package var path: String
        package var value: String

        package init(action: String, target: String, path: String, value: String) {
            self.action = action
            self.target = target
            self.path = path
            self.value = value
        }
    }

    /// A write of the run that was cut short, which had not come back from the kernel when it was given up.
    package struct StuckWrite: Hashable, Sendable {
        package var path: String
        package var process: Int32
        /// When the process was started, in clock ticks since the boot (proc(5), `/proc/PID/stat`, field 22): a process
        /// identifier is given again.
        package var started: UInt64

        package init(path: String, process: Int32, started: UInt64) {
            self.path = path
            self.process = process
            self.started = started
        }
    }

    package var gpu: PCIAddress
    package var state: State
    /// What a release goes back to.
    package var prior: PriorState
    /// What an undo of the run that is going on goes back to: for a card that was claimed before, that claim.
    package var start: PriorState
    /// Whether the card was claimed before the run that is going on.
    package var wasClaimed: Bool
    /// Native drivers that the claim may have bound, for a bounce.
    package var nativeDrivers: Set<String>
    /// nvidia's modules that the claim has unloaded, or was about to, in the order of that.
    package var unloadedModules: [String]
    package var marks: [Mark]
    /// While that process lives, nothing may be written to the card.
    package var stuckWrite: StuckWrite?
    /// Which device it is about, as its directory's inode number: a card that was removed and is back under its address
    /// is another one, and knows nothing of the claim. `nil` when there was none.
    package var device: UInt64?

    /// Whether the run that is going on has removed the card for a rescan, or was about to.
    package var hasRemovedCard: Bool {
        marks.contains { $0.action == PlanStep.Action.removeDevice.rawValue }
    }

    /// Whether the record is about another device than this one. A run that removed the card itself cannot tell.
    package func isStale(for device: UInt64?) -> Bool { self.device != device && !hasRemovedCard }

    /// The record of the claim that stands after the run that is going on.
    package func standing(of device: UInt64?) -> ClaimRecord {
        var record = self
        record.state = .claimed
        record.marks = []
        record.nativeDrivers = []
        record.stuckWrite = nil
        record.device = device
        return record
    }

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
