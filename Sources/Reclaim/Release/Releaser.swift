package import Aperture
package import Record
internal import Units

/// Restores a recorded state. A release restores the state before the claim, an undo the state before the run, and the
/// udev rule's reservation is undone in the same way.
///
/// The loop is that of a claim: read a snapshot, make a plan, do the plan's next rung, and repeat until a plan has
/// nothing left to do. The plan compares the present state with the recorded one, so it does not matter what happened
/// between. A step that fails is reported, and the other steps are still made. The services that the claim has stopped
/// are started last, when nothing is left to restore.
package struct Releaser<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void
    /// How long to wait for the last close of a framebuffer that a process holds open, in milliseconds.
    private let releaseDeadline: Int32
    private let force: Bool

    /// - Parameters:
    ///   - releaseDeadline: How long to wait for the last close of a framebuffer that a process holds open, in
    ///     milliseconds.
    ///   - force: Go on when it is not known who has the card open.
    ///   - tell: Receives each event; it logs.
    package init(
        host: H, releaseDeadline: Int32 = 10_000, force: Bool = false, tell: @escaping (ClaimEvent) -> Void = { _ in }
    ) {
        self.host = host
        self.releaseDeadline = releaseDeadline
        self.force = force
        self.tell = tell
    }

    // MARK: - Release

    /// Gives a claimed card back to the drivers that had it before the claim.
    /// - Parameter keeps: Only remove the record, and leave the card on vfio-pci.
    /// - Throws: Before the first write, when the record or the snapshot cannot be read, or an earlier write is stuck.
    package func release(_ address: PCIAddress, keeps: Bool = false) throws(ReclaimError) -> ReleaseOutcome {
        guard var record = try host.loadRecord(of: address) else { return Self.refuseUnclaimed(address) }
        try host.expectNoStuckWrite(record)
        if host.isReplaced(record) {
            try host.forgetRecord(of: address)
            startUnits(of: record)
            return Self.refuse(
                "The card at \(address) is not the one that was claimed.",
                remedy: "The claimed card is gone and its record is now removed; there is nothing to release.")
        }
        if keeps {
            guard record.state == .claimed else {
                return Self.refuse(
                    "An earlier run was interrupted while \(record.state.rawValue).",
                    remedy: "Run `apertured recover` first.")
            }
            try host.forgetRecord(of: address)
            let left = record.stoppedUnits.map {
                "\($0), which the claim has stopped, stays so: systemctl start \($0)."
            }
            left.forEach { tell(.warning($0)) }
            return ReleaseOutcome(result: .kept, announced: left)
        }
        let destination = Destination(before: record)
        let plan = try plan(to: destination)
        if !plan.refusals.isEmpty { return ReleaseOutcome(result: .refused(plan.refusals)) }
        try host.heedInterruption()
        tell(.releasing)
        plan.losses.forEach { tell(.warning($0)) }
        record.state = .releasing
        do throws(RecordError) {
            try host.save(record)
        } catch {
            guard error.isLackOfRoom else { throw .record(error) }
            // If this release is interrupted, the old record still says that the card is claimed, so release it again.
            tell(.warning("\(error). If this release is interrupted, run `apertured release \(address)` again"))
        }
        let restoration = try finish(record, from: plan)
        return ReleaseOutcome(
            result: restoration.isFinished ? .released : .failed, announced: plan.losses, restoration: restoration)
    }

    /// The outcome for a card without a record.
    package static func refuseUnclaimed(_ address: PCIAddress) -> ReleaseOutcome {
        refuse(
            "There is no record of a claim of \(address) under \(RecordStore.folder).",
            remedy: "apertured can release only what it has claimed since the last boot.")
    }

    private static func refuse(_ message: String, remedy: String) -> ReleaseOutcome {
        ReleaseOutcome(result: .refused([Refusal(.notClaimed, message, remedy: remedy)]))
    }

    // MARK: - Recovery and undo

    /// Recovers from a run that a failure or a kill interrupted: undoes an unfinished claim, finishes an unfinished
    /// release, and leaves a finished claim alone.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    /// - Throws: Before the first write, when a write of that run is still stuck, or the machine cannot be read.
    package func recover(_ record: ClaimRecord) throws(ReclaimError) -> Restoration? {
        guard record.state != .claimed else { return nil }
        try host.expectNoStuckWrite(record)
        tell(.recovering(record.state))
        if host.isReplaced(record) { return forget(record) }
        return record.state == .claiming ? try undo(record) : try finish(record)
    }

    /// Recovers from an interrupted run of this card, if it has a record of one; the record decides how.
    package func recover(_ gpu: PCIAddress) throws(ReclaimError) -> Restoration? {
        guard let record = try host.loadRecord(of: gpu) else { return nil }
        return try recover(record)
    }

    /// Restores the state in which the run began: the earlier claim of a card that had one, else the state before any
    /// claim.
    package func undo(_ record: ClaimRecord) throws(ReclaimError) -> Restoration {
        try goBack(to: Destination(startOf: record), record) { () throws(RecordError) in
            guard record.wasClaimed else { return try host.removeRecord(of: record.gpu) }
            // After the claim's own rescan the same card has a new sysfs directory, so record its new inode.
            let device = record.hasRemovedCard ? host.identity(ofDevice: KernelPath.device(record.gpu)) : record.device
            var standing = record.standing(of: device)
            standing.stoppedUnits.removeAll(where: record.unitsStoppedByRun.contains)
            try host.save(standing)
        }
    }

    /// Undoes the udev rule's reservation of a card whose claim did not follow: its unit's start was stopped, refused
    /// or failed. Does nothing while a process has the card open. Other functions of the slot belong to other units.
    /// - Returns: What was restored; `nil` when there was nothing to do, or a refusal forbids it.
    package func undoRule(of gpu: PCIAddress) throws(ReclaimError) -> Restoration? {
        let snapshot = try host.read(.release(gpu))
        guard let function = snapshot.function(at: gpu), function.isOverriddenByRule else { return nil }
        let destination = Destination(beforeRule: function)
        // Do not force: when it is not known who has the card open, leave the card where it is.
        let plan = destination.plan(in: snapshot, force: false)
        return plan.refusals.isEmpty ? try goBack(to: destination, from: plan) : nil
    }

    /// Finishes a release that has begun, and removes the record.
    private func finish(_ record: ClaimRecord, from plan: ReleasePlan? = nil) throws(ReclaimError) -> Restoration {
        try goBack(to: Destination(before: record), from: plan, record) { () throws(RecordError) in
            try host.removeRecord(of: record.gpu)
        }
    }

    /// Removes the record of a card that is gone, and starts the services that its claim has stopped.
    package func abandon(_ record: ClaimRecord) throws(ReclaimError) {
        try host.forgetRecord(of: record.gpu)
        startUnits(of: record)
    }

    /// Removes the record of a card that was replaced: the prior state says nothing about the new card.
    private func forget(_ record: ClaimRecord) -> Restoration {
        var result = Restoration()
        result.losses = ["The card at \(record.gpu) is not the one that was claimed, which is gone."]
        result.losses.forEach { tell(.lost($0)) }
        start(record.stoppedUnits, &result)
        conclude(&result) { () throws(RecordError) in try host.removeRecord(of: record.gpu) }
        return result
    }

    // MARK: - The record

    /// Restores the state, and then updates the record, or keeps it for a later run.
    private func goBack(
        to destination: Destination, from plan: ReleasePlan? = nil, _ record: ClaimRecord,
        conclusion: () throws(RecordError) -> Void
    ) throws(ReclaimError) -> Restoration {
        var result = try goBack(to: destination, from: plan)
        let units = destination.stoppedUnits
        if result.isFinished {
            if !units.isEmpty { awaitNodes(of: destination) }
            start(units, &result)
            conclude(&result, conclusion)
        } else {
            lose(units.map { "\($0), which the claim has stopped, stays so until the card is restored." }, &result)
            keep(record, after: result)
        }
        return result
    }

    private func lose(_ losses: [String], _ result: inout Restoration) {
        result.losses += losses
        losses.forEach { tell(.lost($0)) }
    }

    // MARK: - Services

    /// How long to wait for the node of the host's driver, in milliseconds. udev gives it its name and its rights.
    private static var nodeDeadline: Int32 { 10_000 }

    /// Waits until the host's driver has its node, as a display server looks for it when it starts, and may not look
    /// again.
    private func awaitNodes(of destination: Destination) {
        var waited: Int32 = 0
        while waited < Self.nodeDeadline {
            // What cannot be read is not waited for: the services are started all the same.
            guard let snapshot = try? host.snapshot(.release(destination.gpu), withHolders: false) else { return }
            let late = destination.state.functions.compactMap { snapshot.function(at: $0.address) }.filter { card in
                card.pciClass.isDisplay && card.isDriven(in: snapshot)
                    && !card.nodes.contains { $0.hasPrefix("/dev/dri/card") && host.exists($0) }
            }
            if late.isEmpty { return }
            host.pause(milliseconds: Self.interval)
            waited += Self.interval
        }
        tell(
            .warning(
                "\(destination.gpu) has no /dev/dri node after \(Self.nodeDeadline / 1000) s: the services are started "
                    + "without it"))
    }

    private func startUnits(of record: ClaimRecord) {
        var result = Restoration()
        start(record.stoppedUnits, &result)
    }

    /// Starts the services, the last that was stopped first. One that does not start is a loss: the card is restored. At
    /// shutdown nothing is started.
    private func start(_ units: [String], _ result: inout Restoration) {
        guard !units.isEmpty, !host.isStopping() else { return }
        for unit in units.reversed() {
            let step = PlanStep.start(unit)
            tell(.undoing(step))
            result.performed.append(step)
            do throws(UnitError) {
                try host.start(unit: unit)
                tell(.undone(step))
            } catch {
                lose(
                    [
                        "\(unit), which the claim has stopped, could not be started: \(error). `systemctl status \(unit)`"
                            + " tells more."
                    ], &result)
            }
        }
    }

    /// Updates or removes the record. The card is restored even when this fails.
    private func conclude(_ result: inout Restoration, _ work: () throws(RecordError) -> Void) {
        do throws(RecordError) {
            try work()
        } catch {
            let loss = "The record could not be updated, though nothing is left to do: \(error)."
            result.losses.append(loss)
            tell(.lost(loss))
        }
    }

    /// Keeps the record for a later run, and adds the write that is stuck now.
    private func keep(_ record: ClaimRecord, after result: Restoration) {
        var record = record
        record.stuckWrite = host.stuckWrite(of: result.failures.first(where: \.isStuck))
        guard record.stuckWrite != nil else { return }
        do {
            try host.save(record)
        } catch {
            // The former record stays.
            tell(.warning("\(error)"))
        }
    }

    // MARK: - The loop

    /// Does the plans' rungs until nothing is left to do.
    /// - Parameter first: The first plan; `nil` to read the machine for it.
    /// - Throws: When the machine cannot be read for the first plan; nothing was written then.
    private func goBack(
        to destination: Destination, from first: ReleasePlan? = nil
    ) throws(ReclaimError) -> Restoration {
        var result = Restoration()
        var tried: [PlanStep] = []
        var next = first
        if next == nil { next = try plan(to: destination) }
        while let plan = next {
            result.losses = plan.losses
            result.refusals = plan.refusals
            // Do not repeat a step that did not help: every further plan would contain it again.
            let remaining = plan.steps.filter { !tried.contains($0) }
            guard let rung = remaining.first?.rung else { break }
            for step in remaining.prefix(while: { $0.rung == rung }) {
                tried.append(step)
                perform(step, destination.gpu, &result)
            }
            // After a stuck write, do not read what its lock protects. After a failed unbind, do not restore a
            // framebuffer: it would draw over a card that another driver still has.
            if result.failures.contains(where: { $0.isStuck || $0.step.action == .unbindDriver }) { break }
            next = planAgain(to: destination, &result)
        }
        result.refusals.forEach { tell(.heldBack($0)) }
        result.losses.forEach { tell(.lost($0)) }
        return result
    }

    /// - Returns: `nil` when the machine can no longer be read; the result says why.
    private func planAgain(to destination: Destination, _ result: inout Restoration) -> ReleasePlan? {
        do throws(ReclaimError) {
            return try plan(to: destination)
        } catch {
            result.interruption = error
            tell(.lost("It is not known what is left to do: \(error)."))
            return nil
        }
    }

    /// How often to read again while a device is appearing and some of its files are missing.
    private static var mostLooks: Int { 20 }
    /// The time between two of these reads, in milliseconds.
    private static var interval: Int32 { 100 }

    private func plan(to destination: Destination) throws(ReclaimError) -> ReleasePlan {
        var snapshot = try host.read(.release(destination.gpu))
        var looks = 1
        while looks < Self.mostLooks, snapshot.isAppearing(destination.state) {
            host.pause(milliseconds: Self.interval)
            snapshot = try host.read(.release(destination.gpu))
            looks += 1
        }
        try snapshot.expectReadable(destination.state)
        return destination.plan(in: snapshot, force: force)
    }

    private func perform(_ step: PlanStep, _ gpu: PCIAddress, _ result: inout Restoration) {
        // A stuck write may hold the device's lock, and the next write would get stuck behind it.
        guard !result.failures.contains(where: \.isStuck) else { return }
        tell(.undoing(step))
        result.performed.append(step)
        do {
            try Executor(host: host, scope: .release(gpu), releaseDeadline: releaseDeadline).perform(step)
            tell(.undone(step))
        } catch {
            tell(.notUndone(error))
            result.failures.append(error)
        }
    }
}

/// The state to restore, and what the claim did to the card beside it.
private struct Destination {
    let gpu: PCIAddress
    let state: PriorState
    /// Whether the card is claimed in that state, by an earlier run.
    var isClaimed = false
    var nativeDrivers: Set<String> = []
    var hasRemovedCard = false
    var unloadedModules: [String] = []
    /// The services that run in that state.
    var stoppedUnits: [String] = []

    /// The state before the claim.
    init(before record: ClaimRecord) {
        self.init(record, state: record.prior)
        stoppedUnits = record.stoppedUnits
    }

    /// The state before the present run.
    init(startOf record: ClaimRecord) {
        self.init(record, state: record.start, isClaimed: record.wasClaimed)
        stoppedUnits = record.wasClaimed ? record.unitsStoppedByRun : record.stoppedUnits
    }

    private init(_ record: ClaimRecord, state: PriorState, isClaimed: Bool = false) {
        gpu = record.gpu
        self.state = state
        self.isClaimed = isClaimed
        nativeDrivers = record.nativeDrivers
        hasRemovedCard = record.hasRemovedCard
        unloadedModules = record.unloadedModules
    }

    /// The state before the udev rule reserved the function.
    init(beforeRule function: PCIFunction) {
        gpu = function.address
        let driver = function.driverOverride ?? VFIODrivers.generic
        state = PriorState(
            functions: [PriorState.Function(beforeRule: function, vfioDriver: driver)], framebuffers: [], consoles: [])
    }

    func plan(in snapshot: Snapshot, force: Bool) -> ReleasePlan {
        ReleasePlanner.plan(
            backTo: state, isClaimed: isClaimed, in: snapshot, boundByUs: nativeDrivers, removedByUs: hasRemovedCard,
            unloadedByUs: unloadedModules, ignoresUnknownHolders: force)
    }
}

extension PCIFunction {
    /// Whether a driver of the host has it that makes a `/dev/dri` node. nvidia alone leaves that to another module.
    fileprivate func isDriven(in snapshot: Snapshot) -> Bool {
        guard let driver, !isOnVFIO else { return false }
        return driver != NvidiaModules.core || snapshot.nvidia.module("nvidia_drm") != nil
    }
}

extension Snapshot {
    /// Whether one of the functions is appearing: it exists, and some of its files do not exist yet.
    fileprivate func isAppearing(_ prior: PriorState) -> Bool {
        unreadable.contains { found in
            found.isPassing && prior.functions.contains { $0.address == found.address }
        }
    }

    /// Checks that nothing that is to be restored is unreadable. An unreadable function would look gone, an unreadable
    /// framebuffer would look as if it had no override, and an unreadable console would look unbound.
    /// - Throws: ``ReclaimError/snapshot(_:)``.
    fileprivate func expectReadable(_ prior: PriorState) throws(ReclaimError) {
        for found in unreadable where prior.functions.contains(where: { $0.address == found.address }) {
            throw .snapshot(.device(found.address.description, reason: found.reason))
        }
        for found in platformFramebuffers where prior.framebuffers.contains(where: { $0.name == found.name }) {
            if let reason = found.unreadable { throw .snapshot(.device(found.name, reason: reason)) }
        }
        for found in consoles where prior.consoles.contains(found.number) {
            if let reason = found.unreadable { throw .snapshot(.device("vtcon\(found.number)", reason: reason)) }
        }
    }
}
