internal import Aperture
internal import ArgumentParser
internal import Journal
internal import JSONFormat
internal import Reclaim
internal import Record

struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Undo or finish claims and releases that were interrupted.",
        discussion: """
            Undoes a claim that a kill or a crash interrupted, finishes a release, and leaves a finished claim alone. \
            Safe to run at any time. Exit status 4 when something could not be restored.
            """)

    @Argument(help: ArgumentHelp("PCI addresses. Default: every GPU that has a record.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @Flag(help: "Go on when it is not known who has the GPU open.")
    var force = false

    @Flag(name: .shortAndLong, help: "Print only errors.")
    var quiet = false

    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        var rows: [(PCIAddress, Restoration?)] = []
        var status = ExitStatus.done
        if let refusal = WritingVerb.begin(common.machine) {
            Terminal.complain("apertured: error: refused: \(refusal)")
            throw ExitStatus.refused
        }
        do throws(ReclaimError) {
            let host = locking.host(common.machine)
            // Without records there is nothing to recover.
            if host.hasRecords {
                try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
                    try recoverAll(host, &rows, &status)
                }
            }
        } catch {
            if let refusal = WritingVerb.refusal(error) {
                Terminal.complain("apertured: error: refused: \(refusal)")
                throw ExitStatus.refused
            }
            Terminal.complain("apertured: error: \(error)")
            // The cards before this one may have given a worse status.
            throw max(status, .failed)
        }
        if common.json {
            Terminal.print(RecoveryDocument(rows).json.text)
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
        let log = ClaimLog(address: address, threshold: quiet ? .error : .info)
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
