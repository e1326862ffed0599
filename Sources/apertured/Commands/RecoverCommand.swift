internal import Aperture
internal import ArgumentParser
internal import Logging
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

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        var status = ExitStatus.done
        var rows: [(PCIAddress, Restoration?)] = []
        do {
            let host = locking.host(common)
            let lock = try host.lock(within: locking.lockMilliseconds)
            for address in addresses.isEmpty ? try host.recorded() : addresses {
                let log = ClaimLog(address: address, level: quiet ? .error : .info)
                do {
                    guard let record = try host.record(of: address) else { continue }
                    let result = try Recoverer(host: host, tell: log.tell).recover(record)
                    rows.append((address, result))
                    if let result, !result.isComplete { status = .notRestored }
                } catch {
                    // One unreadable record must not keep the others from being settled.
                    log.fail(error)
                    status = .failed
                }
            }
            _ = consume lock
        } catch {
            Terminal.complain("apertured: error: \(error)")
            throw ExitStatus.failed
        }
        if common.json {
            print(RecoveryDocument(rows).json.text)
        } else if !quiet {
            for (address, result) in rows where result != nil { print("\(address): settled") }
        }
        if status != .done { throw status }
    }
}
