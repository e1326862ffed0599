internal import Aperture
internal import ArgumentParser
internal import Journal
internal import JSONFormat
internal import Record
internal import Reclaim

struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Settle claims and releases that were cut short.",
        discussion: """
            A claim that a kill or a power cut interrupted is undone, a release is finished, a standing claim is left \
            alone. Safe to run at any time. Exit status 4 when something could not be as it was.
            """)

    @Argument(help: ArgumentHelp("PCI addresses; all recorded GPUs without any.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @Flag(help: "Go on where it is not known who has the GPU open.")
    var force = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
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
            // Without records there is nothing to settle.
            if host.hasRecords {
                try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
                    try settleAll(host, &rows, &status)
                }
            }
        } catch {
            if let refusal = WritingVerb.refusal(error) {
                Terminal.complain("apertured: error: refused: \(refusal)")
                throw ExitStatus.refused
            }
            Terminal.complain("apertured: error: \(error)")
            // Of the cards before it as well.
            throw max(status, .failed)
        }
        if common.json {
            Terminal.print(RecoveryDocument(rows).json.text)
        } else if !quiet {
            for (address, result) in rows where result?.isFinished == true { Terminal.print("\(address): settled") }
        }
        if status != .done { throw status }
    }

    /// A signal is heeded between two cards: what was begun for one goes on to its end.
    private func settleAll(
        _ host: MachineHost, _ rows: inout [(PCIAddress, Restoration?)], _ status: inout ExitStatus
    ) throws(ReclaimError) {
        for address in addresses.isEmpty ? try host.recordedGPUs() : addresses {
            try host.heedInterruption()
            status = max(status, settle(address, host, &rows))
        }
    }

    /// One unreadable record must not keep the others from being settled.
    private func settle(
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
