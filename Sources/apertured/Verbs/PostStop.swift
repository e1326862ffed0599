internal import Aperture
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record

/// Cleans up after a unit.
struct PostStop: Verb {
    var address: PCIAddress
    var locking = Locking()
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let log = ClaimLog(address: address)
        do {
            if let refusal = WritingVerb.begin(tree) {
                log.refuse(refusal)
                throw ExitStatus.refused
            }
            let host = locking.host(tree)
            // At shutdown nothing needs to be restored.
            if ServiceManager.isStopping() { return }
            // With apertured=off the administrator claims and releases by hand.
            if try GuardCard.isSwitchedOff(host.tree) { return }
            let run = UnitRun(of: address)
            try cleanUp(host, log)
            if run.result == "success" { try release(host, log) }
            // A device that appears starts its unit, but not while the unit still runs. So a card that came back before
            // the guard had ended would be missed; fail, and systemd starts the unit again.
            if run.hasCardGone, host.exists(KernelPath.device(address)) {
                log.back()
                throw ExitStatus.failed
            }
            if run.isReservationOver, try host.record(of: address) == nil { try undoRule(host, log) }
        } catch let status as ExitStatus {
            throw status
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
    }

    /// Releases the claim of a unit that was stopped before it was ready. A unit that was ready has run ExecStop=,
    /// which released the card, or failed, and then the result is no success.
    private func release(_ host: MachineHost, _ log: ClaimLog) throws {
        guard try host.loadRecord(of: address)?.state == .claimed else { return }
        let outcome = try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
            try Releaser(host: host, tell: log.tell).release(address)
        }
        switch outcome.result {
        case .released, .kept: log.released()
        case .refused(let refusals):
            refusals.forEach(log.refuseRelease)
            throw ExitStatus.refused
        case .failed: throw ExitStatus(outcome.restoration)
        }
    }

    private func undoRule(_ host: MachineHost, _ log: ClaimLog) throws {
        let result = try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
            try Releaser(host: host, tell: log.tell).undoRule(of: address)
        }
        guard let result else { return }
        log.undidRule(result)
        if !result.isComplete { throw ExitStatus(result) }
    }

    private func cleanUp(_ host: MachineHost, _ log: ClaimLog) throws {
        guard try host.loadRecord(of: address) != nil else { return }
        let result = try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
            let result = try Releaser(host: host, tell: log.tell).recover(address)
            // Remove the record of a card that is gone or was replaced.
            let device = host.identity(ofDevice: KernelPath.device(address))
            if let record = try host.loadRecord(of: address), device == nil || record.isStale(for: device) {
                try Releaser(host: host, tell: log.tell).abandon(record)
            }
            return result
        }
        guard let result else { return }
        log.recovered(result)
        if !result.isComplete { throw ExitStatus(result) }
    }
}
