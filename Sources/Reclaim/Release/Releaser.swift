package import Aperture
package import Record

/// The one way back to a recorded state: a release goes to what was before the claim, an undo to where the run began,
/// and the udev rule's reservation is undone like a claim.
///
/// Each is the same loop: snapshot, plan, the plan's next rung, and again, until a plan has nothing left to do. What
/// happened between does not matter: the plan is made of what is and what was. A step that fails is named, and the others
/// are made all the same.
package struct Releaser<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void
    /// How long a framebuffer that someone holds open is waited for, in milliseconds.
    private let releaseDeadline: Int32
    private let force: Bool

    /// - Parameters:
    ///   - releaseDeadline: How long a framebuffer that someone holds open is waited for, in milliseconds.
    ///   - force: Go on where it is not known who has the card open.
    package init(
        host: H, releaseDeadline: Int32 = 10_000, force: Bool = false, tell: @escaping (ClaimEvent) -> Void = { _ in }
    ) {
        self.host = host
        self.releaseDeadline = releaseDeadline
        self.force = force
        self.tell = tell
    }

    // MARK: - Release

    /// Gives a claimed card back to what had it before.
    /// - Parameter keeps: Leave the card on vfio-pci, and only forget it.
    /// - Throws: Before the first write, when record or snapshot cannot be read, or a write is still stuck.
    package func release(_ address: PCIAddress, keeps: Bool = false) throws(ReclaimError) -> ReleaseOutcome {
        guard var record = try host.loadRecord(of: address) else { return Self.refuseUnclaimed(address) }
        try host.expectNoStuckWrite(record)
        if host.isReplaced(record) {
            try host.forgetRecord(of: address)
            return Self.refuse(
                "The card at \(address) is another one than the one that was claimed.",
                remedy: "That one is gone, and its record is forgotten now: there is nothing to give back.")
        }
        if keeps {
            guard record.state == .claimed else {
                return Self.refuse(
                    "An earlier run was cut short while \(record.state.rawValue).",
                    remedy: "Let `apertured recover` settle it first.")
            }
            try host.forgetRecord(of: address)
            return ReleaseOutcome(result: .kept)
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
            // Cut short, it is still a standing claim by its record, and its prior state: another release ends it.
            tell(.warning("\(error). If this release is cut short, `apertured release \(address)` has to go on"))
        }
        let restoration = try finish(record, from: plan)
        return ReleaseOutcome(
            result: restoration.isFinished ? .released : .failed, announced: plan.losses, restoration: restoration)
    }

    /// For a card without a record.
    package static func refuseUnclaimed(_ address: PCIAddress) -> ReleaseOutcome {
        refuse(
            "There is no record of a claim of \(address) under \(RecordStore.folder).",
            remedy: "Only what apertured claimed since the last boot can be given back by it.")
    }

    private static func refuse(_ message: String, remedy: String) -> ReleaseOutcome {
        ReleaseOutcome(result: .refused([Refusal(.notClaimed, message, remedy: remedy)]))
    }

    // MARK: - Recovery and undo

    /// Settles the record of a run that a failure, a kill or a power cut ended: a claim that was going on is undone, a
    /// release is finished, a standing claim is left alone.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    /// - Throws: Before anything is written, when a write of that run is still stuck, or the machine cannot be read.
    package func recover(_ record: ClaimRecord) throws(ReclaimError) -> Restoration? {
        guard record.state != .claimed else { return nil }
        try host.expectNoStuckWrite(record)
        tell(.recovering(record.state))
        if host.isReplaced(record) { return forget(record) }
        return record.state == .claiming ? try undo(record) : try finish(record)
    }

    /// Goes back to where the run began: to the standing claim of a card that had one, else to what was before.
    package func undo(_ record: ClaimRecord) throws(ReclaimError) -> Restoration {
        try goBack(to: Destination(startOf: record), record) { () throws(RecordError) in
            guard record.wasClaimed else { return try host.removeRecord(of: record.gpu) }
            // It is the same card if it was a claim's own rescan that made it another device.
            let device = record.hasRemovedCard ? host.identity(ofDevice: KernelPath.device(record.gpu)) : record.device
            try host.save(record.standing(of: device))
        }
    }

    /// Takes back what the udev rule did to a card that was never claimed after it: a start that was stopped, refused or
    /// failed. Someone who has the card open keeps it. Other functions of the slot are those of other units.
    /// - Returns: What was restored; `nil` when there was nothing to do, or it was not to be done.
    package func undoRule(of gpu: PCIAddress) throws(ReclaimError) -> Restoration? {
        let snapshot = try host.read(.release(gpu))
        guard let function = snapshot.function(at: gpu), function.isOverriddenByRule else { return nil }
        let destination = Destination(beforeRule: function)
        // Whatever is not known of who has the card open keeps it where it is.
        let plan = destination.plan(in: snapshot, force: false)
        return plan.refusals.isEmpty ? try goBack(to: destination, from: plan) : nil
    }

    /// Finishes a release that has begun, and forgets the card.
    private func finish(_ record: ClaimRecord, from plan: ReleasePlan? = nil) throws(ReclaimError) -> Restoration {
        try goBack(to: Destination(before: record), from: plan, record) { () throws(RecordError) in
            try host.removeRecord(of: record.gpu)
        }
    }

    /// The card was replaced: what was before is nothing to the one that is there now.
    private func forget(_ record: ClaimRecord) -> Restoration {
        var result = Restoration()
        result.losses = ["\(record.gpu) is another card than the one that was claimed, which is gone."]
        result.losses.forEach { tell(.lost($0)) }
        conclude(&result) { () throws(RecordError) in try host.removeRecord(of: record.gpu) }
        return result
    }

    // MARK: - The record

    /// Goes back, and then brings the record up to date, or keeps it for a later run.
    private func goBack(
        to destination: Destination, from plan: ReleasePlan? = nil, _ record: ClaimRecord,
        conclusion: () throws(RecordError) -> Void
    ) throws(ReclaimError) -> Restoration {
        var result = try goBack(to: destination, from: plan)
        if result.isFinished {
            conclude(&result, conclusion)
        } else {
            keep(record, after: result)
        }
        return result
    }

    /// The card is as it was, whether or not its record can be brought to say so.
    private func conclude(_ result: inout Restoration, _ work: () throws(RecordError) -> Void) {
        do throws(RecordError) {
            try work()
        } catch {
            let loss = "Its record could not be brought up to date, though nothing is left to do: \(error)."
            result.losses.append(loss)
            tell(.lost(loss))
        }
    }

    /// What could not be taken back now may be later: the record is needed again.
    private func keep(_ record: ClaimRecord, after result: Restoration) {
        var record = record
        record.stuckWrite = host.stuckWrite(of: result.failures.first(where: \.isStuck))
        guard record.stuckWrite != nil else { return }
        do {
            try host.save(record)
        } catch {
            // The record as it was before the write stays.
            tell(.warning("\(error)"))
        }
    }

    // MARK: - The way

    /// - Parameter first: The plan to begin with; without, the machine is read for it.
    /// - Throws: When the machine cannot be read, and nothing was written yet.
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
            // A step that did not help is not made again: the next plan would hold it for ever.
            let remaining = plan.steps.filter { !tried.contains($0) }
            guard let rung = remaining.first?.rung else { break }
            for step in remaining.prefix(while: { $0.rung == rung }) {
                tried.append(step)
                perform(step, destination.gpu, &result)
            }
            // Nor is anything read that the stuck write keeps locked, nor given back what its driver has not let go of: a
            // framebuffer would draw over it.
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
            tell(.lost("What is left to do is not known: \(error)."))
            return nil
        }
    }

    /// How often a device is looked at whose files are not all there, and how long it gets between two looks.
    private static var mostLooks: Int { 20 }
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
        // A write that is stuck in the kernel may hold the device's lock: the next one would be stuck behind it.
        guard !result.failures.contains(where: \.isStuck) else { return }
        tell(.undoing(step))
        result.performed.append(step)
        do {
            try Executor(host: host, scope: .release(gpu), releaseDeadline: releaseDeadline).perform(step)
        } catch {
            tell(.notUndone(error))
            result.failures.append(error)
        }
    }
}

/// Where a way back leads, and what the claim did to the card that the state alone does not tell.
private struct Destination {
    let gpu: PCIAddress
    let state: PriorState
    /// Whether the card is claimed in that state, by an earlier run.
    var isClaimed = false
    var nativeDrivers: Set<String> = []
    var hasRemovedCard = false
    var unloadedModules: [String] = []

    /// What was before the claim.
    init(before record: ClaimRecord) {
        gpu = record.gpu
        state = record.prior
        nativeDrivers = record.nativeDrivers
        hasRemovedCard = record.hasRemovedCard
        unloadedModules = record.unloadedModules
    }

    /// What was before the run that is going on.
    init(startOf record: ClaimRecord) {
        gpu = record.gpu
        state = record.start
        isClaimed = record.wasClaimed
        nativeDrivers = record.nativeDrivers
        hasRemovedCard = record.hasRemovedCard
        unloadedModules = record.unloadedModules
    }

    /// What was before the udev rule reserved the function.
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

extension Snapshot {
    /// Whether one of the functions is there with some of its files missing, which passes.
    fileprivate func isAppearing(_ prior: PriorState) -> Bool {
        unreadable.contains { found in
            found.isPassing && prior.functions.contains { $0.address == found.address }
        }
    }

    /// - Throws: When one of the functions is there and could not be read: it would look as if it were gone. Or one of the
    ///   framebuffers: it would look as if nobody had set its override. Or one of the consoles: it would look unbound.
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
