package import Aperture
internal import KernelFiles
package import SystemPackage
internal import Units

/// Does one step of a plan, and reads back whether it took effect.
package struct Executor<H: Host> {
    private let host: H
    /// The scope of the snapshots that are read while a step waits.
    private let scope: SnapshotScope
    /// How long to wait until an entry without a driver has gone, in milliseconds.
    private let releaseDeadline: Int32
    /// Whether a signal ends that wait.
    private let heedsInterruption: Bool

    /// The time between two looks during that wait, in milliseconds. The last close of a framebuffer raises no event.
    private static var releaseInterval: Int32 { 100 }
    /// How long to wait until the last process of a stopped service has closed the card, in milliseconds. A user's own
    /// service manager stops ten seconds after the user's last session (logind.conf(5), `UserStopDelaySec=`).
    private static var closeDeadline: Int32 { 30_000 }
    /// The time between two looks at the processes, in milliseconds.
    private static var closeInterval: Int32 { 500 }

    /// - Parameters:
    ///   - scope: Of the snapshots that are read while a step waits.
    ///   - releaseDeadline: How long to wait until an entry without a driver has gone, in milliseconds.
    ///   - heedsInterruption: Whether a signal ends that wait.
    package init(host: H, scope: SnapshotScope, releaseDeadline: Int32, heedsInterruption: Bool = false) {
        self.host = host
        self.scope = scope
        self.heedsInterruption = heedsInterruption
        self.releaseDeadline = releaseDeadline
    }

    /// Makes the step's write, or its wait, and compares the state with the step's expectation.
    package func perform(_ step: PlanStep) throws(StepFailure) {
        let errno = try act(step)
        try readBack(step, after: errno)
    }

    /// - Returns: ENODEV or EINVAL, when the state may be right nevertheless: `drivers_probe` and `unbind` report
    ///   ENODEV when the state is already the wanted one. The read-back decides.
    private func act(_ step: PlanStep) throws(StepFailure) -> Errno? {
        do {
            switch step.effect {
            case .wait(let entry, _): try awaitRelease(of: entry, step)
            case .load(let module): try host.load(module: module)
            case .unload(let module): try host.unload(module: module)
            case .stop(let unit): try host.stop(unit: unit)
            case .start(let unit): try host.start(unit: unit)
            case .awaitClose(let nodes): try awaitClose(of: nodes, step)
            case .rescan(let address, let override?): try host.rescan(step.path, for: address, override: override)
            default: try host.write(step.value, to: step.path)
            }
            return nil
        } catch let failure as StepFailure {
            throw failure
        } catch let error as FileTreeError {
            if error.errno == .noSuchDevice || error.errno == .invalidArgument { return error.errno }
            throw StepFailure(
                step: step, errno: error.errno, found: error.description, stuckProcess: error.stuckProcess)
        } catch let error as ModuleError {
            throw StepFailure(step: step, errno: nil, found: error.description, stuckProcess: error.stuckProcess)
        } catch let error as UnitError {
            throw StepFailure(step: step, errno: nil, found: error.description)
        } catch {
            throw StepFailure(step: step, errno: nil, found: "\(error)")
        }
    }

    private func readBack(_ step: PlanStep, after errno: Errno?) throws(StepFailure) {
        do {
            switch step.expectation {
            case .attribute(let wanted):
                let found = try host.attribute(step.path)
                if found != wanted { throw mismatch(step, errno, "it reads '\(found ?? "(null)")'") }
            case .driver(let device, let wanted):
                guard host.exists(device) else { throw mismatch(step, errno, "\(device) is gone") }
                let found = try host.driver(ofDevice: device)
                if found != wanted { throw mismatch(step, errno, "the driver is \(found ?? "none")") }
            case .exists(let path):
                if !host.exists(path) { throw mismatch(step, errno, "\(path) does not exist") }
            case .gone(let path):
                if host.exists(path) { throw mismatch(step, errno, "\(path) still exists") }
            case .inactive(let unit):
                if try host.isActive(unit: unit) { throw mismatch(step, errno, "\(unit) is still active") }
            case .seen: break
            case .returned(let address, let override):
                let path = KernelPath.device(address)
                if !host.exists(path) { throw mismatch(step, errno, "\(path) did not come back") }
                let found = try host.attribute(KernelPath.driverOverride(address))
                if found != override {
                    throw mismatch(step, errno, "its driver_override is '\(found ?? "(null)")'")
                }
            }
        } catch let failure as StepFailure {
            throw failure
        } catch let error as FileTreeError {
            throw StepFailure(step: step, errno: error.errno, found: error.description)
        } catch {
            throw StepFailure(step: step, errno: nil, found: "\(error)")
        }
    }

    private func mismatch(_ step: PlanStep, _ errno: Errno?, _ found: String) -> StepFailure {
        StepFailure(step: step, errno: errno, found: found)
    }

    /// The machine, between two looks of a step that waits.
    private func look(_ step: PlanStep) throws(StepFailure) -> Snapshot {
        do {
            return try host.snapshot(scope, withHolders: true)
        } catch {
            throw StepFailure(step: step, errno: nil, found: error.description)
        }
    }

    // MARK: - An entry that outlives its driver

    private func awaitRelease(of entry: IomemEntry, _ step: PlanStep) throws(StepFailure) {
        var waited: Int32 = 0
        while true {
            let snapshot = try look(step)
            guard case .entries(let tree) = snapshot.memoryMap else {
                throw StepFailure(step: step, errno: nil, found: "\(KernelPath.iomem) can no longer be read")
            }
            if !tree.entries.contains(entry) { return }
            if heedsInterruption, let signal = host.interruption() {
                throw StepFailure(
                    step: step, errno: nil, found: "interrupted by \(signal) while \(entry) was waited for")
            }
            guard waited < releaseDeadline else {
                // The unbind may have removed the node while its descriptor is still open, so look at all framebuffers.
                let holders = snapshot.holders.filter { $0.node.hasPrefix("/dev/fb") }
                let who = holders.map(\.description).joined(separator: ", ")
                throw StepFailure(
                    step: step, errno: nil,
                    found: "\(entry) is still in \(KernelPath.iomem) after \(releaseDeadline) ms"
                        + (holders.isEmpty
                            ? ", and no process is seen holding it" : ": \(who). \(HolderRemedy.ending(holders))"),
                    code: .framebufferHeld)
            }
            host.pause(milliseconds: min(Self.releaseInterval, releaseDeadline - waited))
            waited += Self.releaseInterval
        }
    }

    // MARK: - Processes that end with a service

    private func awaitClose(of nodes: [String], _ step: PlanStep) throws(StepFailure) {
        var waited: Int32 = 0
        while true {
            let snapshot = try look(step)
            // Where not everybody is seen, the next plan decides.
            let holders = snapshot.holders.filter { nodes.contains($0.node) }
            if holders.isEmpty { return }
            if heedsInterruption, let signal = host.interruption() {
                throw StepFailure(
                    step: step, errno: nil, found: "interrupted by \(signal) while the last close was waited for")
            }
            guard waited < Self.closeDeadline else {
                let who = holders.map(\.description).joined(separator: ", ")
                throw StepFailure(
                    step: step, errno: nil,
                    found: "after \(Self.closeDeadline) ms \(who). \(HolderRemedy.ending(holders))", code: .inUse)
            }
            host.pause(milliseconds: Self.closeInterval)
            waited += Self.closeInterval
        }
    }
}

/// A step whose write failed, or whose read-back shows another state than the wanted one.
package struct StepFailure: Error, Hashable, Sendable {
    /// The step that failed.
    package let step: PlanStep
    /// The error of the write or of the read-back; `nil` when both succeeded and the state is still wrong.
    package let errno: Errno?
    /// The state that was found, for a person.
    package let found: String
    /// The refusal's code, for a failure that has one: `framebuffer-held`.
    package let code: Refusal.Code?

    /// The id of the process whose write is stuck in the kernel; `nil` when the write returned. While it is stuck
    /// nothing more may be written to the device.
    package let stuckProcess: Int32?

    /// Whether the write is stuck in the kernel.
    package var isStuck: Bool { stuckProcess != nil }

    /// - Parameter stuckProcess: The id of the process whose write is stuck in the kernel.
    package init(
        step: PlanStep, errno: Errno?, found: String, code: Refusal.Code? = nil, stuckProcess: Int32? = nil
    ) {
        self.stuckProcess = stuckProcess
        self.step = step
        self.errno = errno
        self.found = found
        self.code = code
    }
}

extension StepFailure: CustomStringConvertible {
    package var description: String {
        let error = errno.map { ": \($0) (errno \($0.rawValue))" } ?? ""
        let code = code.map { "\($0.rawValue): " } ?? ""
        let write = "step \(step.action.rawValue) of \(step.target) (\(step.path), value '\(step.shownValue)')"
        return "\(code)\(write) failed\(error): \(found)"
    }
}
