internal import Aperture
internal import ArgumentParser
internal import Journal
internal import JSONFormat
internal import Reclaim
internal import Record

struct ReleaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Give a claimed GPU back to the drivers that had it before.",
        discussion: """
            Unbinds vfio-pci, restores the driver overrides, and binds the former drivers. If the GPU had none, the \
            firmware's framebuffer comes back, provided that its memory is still in the GPU's BARs. What cannot be \
            restored is reported before anything is written.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Forget the claim, and leave the GPU on vfio-pci.")
    var keep = false

    @Flag(help: "Do nothing while the system shuts down, or without a claim; for apertured@.service.")
    var onlyWhenRunning = false

    @Flag(help: "Go on when it is not known who has the GPU open.")
    var force = false

    @Flag(name: .shortAndLong, help: "Print only errors.")
    var quiet = false

    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        // systemd runs a unit's ExecStop= at shutdown too.
        if onlyWhenRunning, ServiceManager.isStopping() { return }
        let log = ClaimLog(address: address, threshold: quiet ? .error : .info)
        var outcome: ReleaseOutcome
        do throws(ReclaimError) {
            if let refusal = WritingVerb.begin(common.machine) {
                outcome = ReleaseOutcome(result: .refused([refusal]))
            } else {
                guard let result = try release(locking.host(common.machine), log) else { return }
                outcome = result
            }
        } catch {
            guard let refusal = WritingVerb.refusal(error) else {
                log.fail(error)
                throw ExitStatus.failed
            }
            outcome = ReleaseOutcome(result: .refused([refusal]))
        }
        if common.json { Terminal.print(ReleaseDocument(address, outcome).json.text) }
        switch outcome.result {
        case .released:
            log.released()
            if !common.json, !quiet { Terminal.print("\(address): released") }
        case .kept:
            if !common.json, !quiet { Terminal.print("\(address): stays on vfio-pci; the claim is forgotten") }
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
