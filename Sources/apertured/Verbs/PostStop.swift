internal import Aperture
internal import Guard
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
            // The unit's start was refused, because the card has another guard: that one puts it in order.
            if GuardLock.isHeld(for: address, in: tree) { return }
            defer { MetricsFiles(on: host, warn: log.metricsMissing).refresh() }
            let run = UnitRun(of: address)
            let aftermath = Aftermath(
                address, host: host, lockMilliseconds: locking.lockMilliseconds, tell: log.tell)
            if let result = try aftermath.cleanUp(), !result.isComplete { throw ExitStatus(result) }
            // A unit that was stopped before it was ready. One that was ready has run ExecStop=, which released the card,
            // or failed, and then the result is no success.
            if run.result == "success" { try judge(try aftermath.release()) }
            // A device that appears starts its unit, but not while the unit still runs. So a card that came back before
            // the guard had ended would be missed; fail, and systemd starts the unit again.
            if run.hasCardGone, host.exists(KernelPath.device(address)) {
                log.back()
                throw ExitStatus.failed
            }
            if run.isReservationOver, let result = try aftermath.undoRule(), !result.isComplete {
                throw ExitStatus(result)
            }
        } catch let status as ExitStatus {
            throw status
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
    }

    private func judge(_ outcome: ReleaseOutcome?) throws(ExitStatus) {
        guard let outcome else { return }
        switch outcome.result {
        case .released, .kept: break
        case .refused: throw ExitStatus.refused
        case .failed: throw ExitStatus(outcome.restoration)
        }
    }
}
