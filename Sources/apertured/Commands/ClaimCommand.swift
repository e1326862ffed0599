internal import Aperture
internal import ArgumentParser
internal import Journal
internal import JSONFormat
internal import Reclaim
internal import Record
internal import VFIO

struct ClaimCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claim",
        abstract: "Evict the framebuffers in a GPU's BARs, bind the GPU to vfio-pci, and prove that VFIO can map it.",
        discussion: """
            Claims the GPU, the functions of its slot that share its IOMMU group, and the display's own audio; a \
            virtual function is claimed alone. A GPU that is claimed already is only proven again. If a step or the \
            proof fails, every write is undone.

            The proof opens every function through VFIO and closes it again, and both reset the function. A function \
            that cannot be reset alone is reset with its bus or slot when it is closed, if VFIO has every function \
            there and none is in use. --no-verify leaves the proof out.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(name: [.customShort("n"), .long], help: "Show the plan and write nothing.")
    var dryRun = false

    @Flag(help: "Leave out the proof: do not open the GPU through VFIO at the end.")
    var noVerify = false

    @Option(help: ArgumentHelp("Seconds to wait for a process to close a framebuffer.", valueName: "seconds"))
    var wait = 10

    @Flag(name: .shortAndLong, help: "Print only errors.")
    var quiet = false

    @OptionGroup var policy: PolicyOptions
    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard (0...3600).contains(wait) else { throw ValidationError("--wait takes 0 to 3600 seconds.") }
    }

    func run() throws {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = policy.claimOptions
        settings.proves = !noVerify
        settings.releaseDeadline = Int32(wait) * 1000
        if dryRun {
            return try PlanCommand.show(
                address, Claimer(host: common.host, settings: settings), asJSON: common.json)
        }
        let log = ClaimLog(address: address, threshold: quiet ? .error : .info)
        if let refusal = WritingVerb.begin(common.machine) { throw refuse(refusal, log) }
        let outcome: ClaimOutcome
        do throws(ReclaimError) {
            let host = locking.host(common.machine)
            let claimer = Claimer(host: host, settings: settings, tell: log.tell)
            outcome =
                if let refused = try refusal(claimer, host) {
                    refused
                } else {
                    try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
                        try claimer.claim(address)
                    }
                }
        } catch {
            if let refusal = WritingVerb.refusal(error) { throw refuse(refusal, log) }
            if common.json { Terminal.print(OutcomeDocument(failed: error, address).json.text) }
            log.fail(error)
            // The machine is still as the interrupted run left it.
            if case .notRecovered = error { throw ExitStatus.notRestored }
            throw ExitStatus.failed
        }
        if common.json { Terminal.print(OutcomeDocument(outcome).json.text) }
        try end(outcome, log)
    }

    /// Refuses a device that does not exist without taking the lock, which would leave its folder behind.
    private func refusal(_ claimer: Claimer<MachineHost>, _ host: MachineHost) throws(ReclaimError) -> ClaimOutcome? {
        guard !host.hasRecords, !host.exists(KernelPath.device(address)) else { return nil }
        return ClaimOutcome(refusedBy: try claimer.plan(for: address))
    }

    private func refuse(_ refusal: Refusal, _ log: ClaimLog) -> ExitStatus {
        if common.json { Terminal.print(OutcomeDocument(refused: refusal, address).json.text) }
        log.refuse(refusal)
        return .refused
    }

    private func end(_ outcome: ClaimOutcome, _ log: ClaimLog) throws {
        log.succeed(outcome)
        switch outcome.result {
        case .claimed:
            if !common.json, !quiet { Terminal.print("\(address): claimed\(proof(outcome))") }
        case .nothingToDo:
            if !common.json, !quiet { Terminal.print("\(address): nothing to do\(proof(outcome))") }
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
