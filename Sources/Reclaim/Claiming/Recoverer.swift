package import Aperture
package import Record

/// Settles what a run left behind that was cut short by a failure, a kill or a power cut.
package struct Recoverer<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void
    /// How long a framebuffer that someone holds open is waited for, in milliseconds.
    private let releaseDeadline: Int32

    package init(host: H, releaseDeadline: Int32 = 10_000, tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.releaseDeadline = releaseDeadline
        self.host = host
        self.tell = tell
    }

    /// Settles one record: a claim that was going on is undone, a release is finished, a standing claim is left alone.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    /// - Throws: ``StuckWrite``, before anything is written.
    package func recover(_ record: ClaimRecord) throws -> Restoration? {
        switch record.state {
        case .claimed: return nil
        case .claiming:
            try host.expectNoStuckWrite(record)
            tell(.recovering(record.state))
            return try undo(record)
        case .releasing:
            try host.expectNoStuckWrite(record)
            tell(.recovering(record.state))
            return try finishRelease(record)
        }
    }

    /// Goes back to where the run began: to the standing claim of a card that had one, else to what was before.
    package func undo(_ record: ClaimRecord) throws -> Restoration {
        let result = try Restorer(host: host, releaseDeadline: releaseDeadline, tell: tell).restore(
            record.start, boundByUs: record.nativeDrivers, removedByUs: record.hasRemovedCard)
        // What could not be undone now may be later: the record is needed again.
        if !result.failures.isEmpty {
            try keep(record, after: result)
            return result
        }
        if record.wasClaimed {
            var standing = record
            standing.state = .claimed
            standing.marks = []
            standing.stuckWrite = nil
            // It is the same card if it was a claim's own rescan that made it another device.
            if record.hasRemovedCard { standing.device = host.identity(ofDevice: KernelPath.device(record.gpu)) }
            try host.save(standing)
        } else {
            try host.removeRecord(of: record.gpu)
        }
        return result
    }

    /// Takes back what the udev rule did to a card that was never claimed after it: a start that was stopped, refused or
    /// failed. Someone who has the card open keeps it.
    /// - Returns: What was restored; `nil` when there was nothing to do, or it was not to be done.
    package func takeBackRule(of gpu: PCIAddress) throws -> Restoration? {
        let snapshot = try host.snapshot(withHolders: true)
        let ruled = snapshot.slot(of: gpu).filter(\.isOverriddenByRule)
        guard !ruled.isEmpty else { return nil }
        let prior = PriorState(functions: ruled.map(PriorState.Function.init(before:)), framebuffers: [], consoles: [])
        guard ReleasePlanner.plan(backTo: prior, in: snapshot).refusals.isEmpty else { return nil }
        return try Restorer(host: host, releaseDeadline: releaseDeadline, tell: tell).restore(
            prior, boundByUs: [], removedByUs: false)
    }

    /// Gives the card back and forgets it.
    package func finishRelease(_ record: ClaimRecord) throws -> Restoration {
        let result = try Restorer(host: host, releaseDeadline: releaseDeadline, tell: tell).restore(
            record.prior, boundByUs: record.nativeDrivers, removedByUs: record.hasRemovedCard)
        if result.failures.isEmpty {
            try host.removeRecord(of: record.gpu)
        } else {
            try keep(record, after: result)
        }
        return result
    }

    private func keep(_ record: ClaimRecord, after result: Restoration) throws {
        var record = record
        record.stuckWrite = host.stuckWrite(of: result.failures.first(where: \.isStuck))
        if record.stuckWrite != nil { try host.save(record) }
    }
}
