package import Aperture
internal import KernelFiles
internal import SystemPackage

/// Does one step, and reads back whether it took effect.
package struct Executor<H: Host> {
    private let host: H
    /// What is read again while something is waited for.
    private let scope: SnapshotScope
    /// How long an entry without a driver may take to go, in milliseconds.
    private let releaseDeadline: Int32
    /// Whether a signal ends the wait for that.
    private let heedsInterruption: Bool

    /// How often it is looked at meanwhile: the last close of a framebuffer raises no event.
    private static var releaseInterval: Int32 { 100 }

    package init(host: H, scope: SnapshotScope, releaseDeadline: Int32, heedsInterruption: Bool = false) {
        self.host = host
        self.scope = scope
        self.heedsInterruption = heedsInterruption
        self.releaseDeadline = releaseDeadline
    }

    package func perform(_ step: PlanStep) throws(StepFailure) {
        let errno = try act(step)
        try readBack(step, after: errno)
    }

    /// - Returns: The write's error, when the state may be right all the same: `drivers_probe` and `unbind` report
    ///   ENODEV for what is already so, and only the read-back decides.
    private func act(_ step: PlanStep) throws(StepFailure) -> Errno? {
        do {
            switch step.effect {
            case .wait(let entry, _): try awaitRelease(of: entry, step)
            case .load(let module): try host.load(module: module)
            case .unload(let module): try host.unload(module: module)
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

    // MARK: - An entry that outlives its driver

    private func awaitRelease(of entry: IomemEntry, _ step: PlanStep) throws(StepFailure) {
        var waited: Int32 = 0
        while true {
            let snapshot: Snapshot
            do {
                snapshot = try host.snapshot(scope, withHolders: true)
            } catch {
                throw StepFailure(step: step, errno: nil, found: error.description)
            }
            guard case .entries(let tree) = snapshot.memoryMap else {
                throw StepFailure(step: step, errno: nil, found: "\(KernelPath.iomem) can no longer be read")
            }
            if !tree.entries.contains(entry) { return }
            if heedsInterruption, let signal = host.interruption() {
                throw StepFailure(
                    step: step, errno: nil, found: "interrupted by \(signal) while \(entry) was waited for")
            }
            guard waited < releaseDeadline else {
                // The node may be gone with the unbind, while the descriptor lives: any framebuffer's holder counts.
                let holders = snapshot.holders.filter { $0.node.hasPrefix("/dev/fb") }
                let who = holders.map(\.description).joined(separator: ", ")
                throw StepFailure(
                    step: step, errno: nil,
                    found: "\(entry) is still in \(KernelPath.iomem) after \(releaseDeadline) ms"
                        + (holders.isEmpty ? ", and no process is seen holding it" : ": \(who)"),
                    code: .framebufferHeld)
            }
            host.pause(milliseconds: min(Self.releaseInterval, releaseDeadline - waited))
            waited += Self.releaseInterval
        }
    }
}
