package import Aperture
package import Record

/// Settles what a run left behind that was cut short by a failure, a kill or a power cut.
package struct Recoverer<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void
    /// How long a framebuffer that someone holds open is waited for, in milliseconds.
    private let releaseDeadline: Int32
    private let force: Bool

    /// - Parameter force: Go on where it is not known who has the card open.
    package init(
        host: H, releaseDeadline: Int32 = 10_000, force: Bool = false, tell: @escaping (ClaimEvent) -> Void = { _ in }
    ) {
        self.force = force
        self.releaseDeadline = releaseDeadline
        self.host = host
        self.tell = tell
    }

    /// Settles one record: a claim that was going on is undone, a release is finished, a standing claim is left alone.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    /// - Throws: ``StuckWrite``, before anything is written.
    package func recover(_ record: ClaimRecord) throws -> Restoration? {
        guard record.state != .claimed else { return nil }
        try host.expectNoStuckWrite(record)
        tell(.recovering(record.state))
        if host.isReplaced(record) { return forget(record) }
        return record.state == .claiming ? try undo(record) : try finishRelease(record)
    }

    /// The card was replaced: what was before is nothing to the one that is there now.
    private func forget(_ record: ClaimRecord) -> Restoration {
        var result = Restoration()
        result.losses = ["\(record.gpu) is another card than the one that was claimed, which is gone."]
        result.losses.forEach { tell(.lost($0)) }
        conclude(&result) { () throws(RecordError) in try host.removeRecord(of: record.gpu) }
        return result
    }

    /// Goes back to where the run began: to the standing claim of a card that had one, else to what was before.
    package func undo(_ record: ClaimRecord) throws -> Restoration {
        var result = try restorer(of: record.gpu).restore(
            record.start, isClaimed: record.wasClaimed, boundByUs: record.nativeDrivers,
            removedByUs: record.hasRemovedCard, unloadedByUs: record.unloadedModules)
        // What could not be undone now may be later: the record is needed again.
        if !result.isFinished {
            keep(record, after: result)
            return result
        }
        conclude(&result) { () throws(RecordError) in
            guard record.wasClaimed else { return try host.removeRecord(of: record.gpu) }
            // It is the same card if it was a claim's own rescan that made it another device.
            let device = record.hasRemovedCard ? host.identity(ofDevice: KernelPath.device(record.gpu)) : record.device
            try host.save(record.standing(of: device))
        }
        return result
    }

    /// Takes back what the udev rule did to a card that was never claimed after it: a start that was stopped, refused or
    /// failed. Someone who has the card open keeps it. Other functions of the slot are those of other units.
    /// - Returns: What was restored; `nil` when there was nothing to do, or it was not to be done.
    package func takeBackRule(of gpu: PCIAddress) throws -> Restoration? {
        let snapshot = try host.snapshot(.release(gpu), withHolders: true)
        guard let function = snapshot.function(at: gpu), function.isOverriddenByRule else { return nil }
        let driver = function.driverOverride ?? VFIODrivers.generic
        let prior = PriorState(
            functions: [PriorState.Function(beforeRule: function, vfioDriver: driver)], framebuffers: [], consoles: [])
        guard ReleasePlanner.plan(backTo: prior, in: snapshot).refusals.isEmpty else { return nil }
        return try restorer(of: gpu).restore(prior, boundByUs: [], removedByUs: false)
    }

    private func restorer(of card: PCIAddress) -> Restorer<H> {
        Restorer(host: host, card: card, releaseDeadline: releaseDeadline, force: force, tell: tell)
    }

    /// Gives the card back and forgets it.
    package func finishRelease(_ record: ClaimRecord) throws -> Restoration {
        var result = try restorer(of: record.gpu).restore(
            record.prior, boundByUs: record.nativeDrivers, removedByUs: record.hasRemovedCard,
            unloadedByUs: record.unloadedModules)
        if result.isFinished {
            conclude(&result) { () throws(RecordError) in try host.removeRecord(of: record.gpu) }
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
}
