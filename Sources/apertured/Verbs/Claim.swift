internal import Aperture
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record
internal import VFIO

/// Claims a GPU and proves it.
struct Claim: Verb {
    var address: PCIAddress
    var options = ClaimOptions()
    var dryRun = false
    var noVerify = false
    /// Seconds to wait for a process to close a framebuffer.
    var wait = 10
    var quiet = false
    var verbose = false
    var locking = Locking()
    var json = false
    var tree = FileTree()

    static let waits = 0...3600

    private var detail: Detail { Detail(quiet: quiet, verbose: verbose) }

    func run() throws(ExitStatus) {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = options
        settings.proves = !noVerify
        settings.releaseDeadline = Int32(wait) * 1000
        if dryRun {
            return try ShowPlan.show(
                address, Claimer(host: host, settings: settings), in: tree, asJSON: json)
        }
        let log = ClaimLog(address: address, threshold: detail.threshold)
        if let refusal = WritingVerb.begin(tree) { throw refuse(refusal, log) }
        let host = locking.host(tree, detail: detail)
        let metrics = ClaimMetrics(address, on: host, warn: log.metricsMissing)
        defer { metrics.refresh() }
        let outcome: ClaimOutcome
        do throws(ReclaimError) {
            unsafe Terminal.progress?.closeDeadline = settings.releaseDeadline
            let claimer = Claimer(host: host, settings: settings) { event in
                log.tell(event)
                metrics.follow(event)
            }
            outcome =
                if let refused = try refusal(claimer, host) {
                    refused
                } else {
                    try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
                        try claimer.claim(address)
                    }
                }
        } catch {
            if let code = error.code { metrics.fail(code) }
            if let refusal = WritingVerb.refusal(error) { throw refuse(refusal, log) }
            if json { Terminal.print(OutcomeDocument(failed: error, address).text) }
            log.fail(error)
            // The machine is still as the interrupted run left it.
            if case .notRecovered = error { throw ExitStatus.notRestored }
            throw ExitStatus.failed
        }
        metrics.count(outcome)
        if json { Terminal.print(OutcomeDocument(outcome).text) }
        try end(outcome, log)
    }

    /// Refuses a device that does not exist without taking the lock, which would leave its folder behind.
    private func refusal(_ claimer: Claimer<MachineHost>, _ host: MachineHost) throws(ReclaimError) -> ClaimOutcome? {
        guard !host.hasRecords, !host.exists(KernelPath.device(address)) else { return nil }
        return ClaimOutcome(refusedBy: try claimer.plan(for: address))
    }

    private func refuse(_ refusal: Refusal, _ log: ClaimLog) -> ExitStatus {
        if json { Terminal.print(OutcomeDocument(refused: refusal, address).text) }
        log.refuse(refusal)
        return .refused
    }

    private func end(_ outcome: ClaimOutcome, _ log: ClaimLog) throws(ExitStatus) {
        log.succeed(outcome)
        switch outcome.result {
        case .claimed:
            if !json, !quiet { Terminal.print("\(address): claimed\(proof(outcome))") }
        case .nothingToDo:
            if !json, !quiet { Terminal.print("\(address): nothing to do\(proof(outcome))") }
        case .refused:
            outcome.plan.refusals.forEach(log.refuse)
            throw ExitStatus.refused
        case .failed(let failure):
            log.fail(failure, undo: outcome.undo)
            throw outcome.undo?.isComplete ?? true ? ExitStatus.failed : .notRestored
        }
    }

    private func proof(_ outcome: ClaimOutcome) -> String {
        if !outcome.users.isEmpty { return ", in use, not verified" }
        let doubt = outcome.doubt.map { ", not proven: \($0)" } ?? ""
        return outcome.proofs.isEmpty ? ", not verified" : ", \(outcome.bars) through VFIO\(doubt)"
    }
}
