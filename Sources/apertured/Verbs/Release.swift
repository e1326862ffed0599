internal import Aperture
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record

/// Gives a claimed GPU back.
struct Release: Verb {
    var address: PCIAddress
    var keep = false
    var onlyWhenRunning = false
    var force = false
    var quiet = false
    var verbose = false
    var locking = Locking()
    var json = false
    var tree = FileTree()

    private var detail: Detail { Detail(quiet: quiet, verbose: verbose) }

    func run() throws(ExitStatus) {
        // systemd runs a unit's ExecStop= at shutdown too.
        if onlyWhenRunning, ServiceManager.isStopping() { return }
        let log = ClaimLog(address: address, threshold: detail.threshold)
        var outcome: ReleaseOutcome
        let notBegun = WritingVerb.begin(tree)
        let host = locking.host(tree, detail: detail)
        defer { if notBegun == nil { MetricsFiles(on: host, warn: log.metricsMissing).refresh() } }
        do throws(ReclaimError) {
            if let refusal = notBegun {
                outcome = ReleaseOutcome(result: .refused([refusal]))
            } else {
                guard let result = try release(host, log) else { return }
                outcome = result
            }
        } catch {
            guard let refusal = WritingVerb.refusal(error) else {
                log.fail(error)
                throw ExitStatus.failed
            }
            outcome = ReleaseOutcome(result: .refused([refusal]))
        }
        if json { Terminal.print(ReleaseDocument(address, outcome).text) }
        switch outcome.result {
        case .released:
            log.released()
            if !json, !quiet { Terminal.print("\(address): released") }
        case .kept:
            if !json, !quiet { Terminal.print("\(address): stays on vfio-pci; the claim is forgotten") }
        case .refused(let refusals):
            refusals.forEach(log.refuseRelease)
            throw ExitStatus.refused
        case .failed:
            throw ExitStatus(outcome.restoration)
        }
    }

    private func release(_ host: MachineHost, _ log: ClaimLog) throws(ReclaimError) -> ReleaseOutcome? {
        // Without records there is nothing to lock.
        guard host.hasRecords else { return onlyWhenRunning ? nil : Releaser<MachineHost>.refuseUnclaimed(address) }
        return try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
            // Someone has released the card by hand.
            if onlyWhenRunning, try host.loadRecord(of: address) == nil { return nil }
            return try Releaser(host: host, force: force, tell: log.tell).release(address, keeps: keep)
        }
    }
}
