internal import Aperture
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record

/// Recovers from interrupted runs.
struct Recover: Verb {
    /// The GPUs; every one that has a record when empty.
    var addresses: [PCIAddress] = []
    var force = false
    var quiet = false
    var verbose = false
    var locking = Locking()
    var json = false
    var tree = FileTree()

    private var detail: Detail { Detail(quiet: quiet, verbose: verbose) }

    func run() throws(ExitStatus) {
        var rows: [(PCIAddress, Restoration?)] = []
        var status = ExitStatus.done
        if let refusal = WritingVerb.begin(tree) {
            Terminal.refuse(refusal)
            throw ExitStatus.refused
        }
        let host = locking.host(tree, detail: detail)
        defer { MetricsFiles(on: host) { if !quiet { Terminal.warn($0) } }.refresh() }
        do throws(ReclaimError) {
            // Without records there is nothing to recover.
            if host.hasRecords {
                try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
                    try recoverAll(host, &rows, &status)
                }
            }
        } catch {
            if let refusal = WritingVerb.refusal(error) {
                Terminal.refuse(refusal)
                throw ExitStatus.refused
            }
            Terminal.fail(error)
            // The cards before this one may have given a worse status.
            throw max(status, .failed)
        }
        if json {
            Terminal.print(RecoveryDocument(rows).text)
        } else if !quiet {
            for (address, result) in rows where result?.isFinished == true { Terminal.print("\(address): recovered") }
        }
        if status != .done { throw status }
    }

    /// Recovers the cards one by one. A signal ends this between two cards, and not in the middle of one.
    private func recoverAll(
        _ host: MachineHost, _ rows: inout [(PCIAddress, Restoration?)], _ status: inout ExitStatus
    ) throws(ReclaimError) {
        for address in addresses.isEmpty ? try host.recordedGPUs() : addresses {
            try host.heedInterruption()
            status = max(status, recover(address, host, &rows))
        }
    }

    /// Recovers one card. An error is logged and returned as a status, so that the other cards are still recovered.
    private func recover(
        _ address: PCIAddress, _ host: MachineHost, _ rows: inout [(PCIAddress, Restoration?)]
    ) -> ExitStatus {
        let log = ClaimLog(address: address, threshold: detail.threshold)
        do throws(ReclaimError) {
            guard let record = try host.loadRecord(of: address) else { return .done }
            let result = try Releaser(host: host, force: force, tell: log.tell).recover(record)
            rows.append((address, result))
            guard let result else { return .done }
            log.recovered(result)
            return ExitStatus(result)
        } catch {
            log.fail(error)
            return .failed
        }
    }
}
