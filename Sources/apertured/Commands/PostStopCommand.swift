internal import Aperture
internal import ArgumentParser
internal import Journal
internal import Record
internal import Reclaim

struct PostStopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "post-stop",
        abstract: "After a unit has ended, however it ended: undo what is half done, forget what is gone.",
        discussion: """
            What apertured@.service runs as ExecStopPost=. A standing claim is left alone, but for that of a start which \
            was stopped before it was ready (SERVICE_RESULT=success): it is given back. Fails when the guard ended \
            because its GPU went (EXIT_STATUS=5), and the GPU is there: systemd then starts the unit again.
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var locking: LockOptions
    @OptionGroup var machine: RootOption

    func run() throws {
        let log = ClaimLog(address: address)
        do {
            if let refusal = WritingVerb.begin(machine) {
                log.refuse(refusal)
                throw ExitStatus.refused
            }
            let host = locking.host(machine)
            // The system takes its drivers' devices with it.
            if ServiceManager.isStopping() { return }
            // Whoever switched the unit off claims and releases by hand.
            if try GuardCommand.isSwitchedOff(host.tree) { return }
            let run = UnitRun(of: address)
            try settle(host, log)
            if run.result == "success" { try release(host, log) }
            // A device that appears starts its unit, but not while the unit still counts as running: one that appeared
            // before the guard had ended is missed. One that appears from now on is not.
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

    /// ExecStop= runs for a unit that was ready, and leaves nothing to release unless it fails, which is another result.
    /// A claim that stands after a success is that of a unit stopped before it was ready.
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

    private func settle(_ host: MachineHost, _ log: ClaimLog) throws {
        guard try host.loadRecord(of: address) != nil else { return }
        let result = try host.locked(within: locking.lockMilliseconds) { () throws(ReclaimError) in
            let releaser = Releaser(host: host, tell: log.tell)
            let result =
                if let record = try host.loadRecord(of: address) { try releaser.recover(record) } else {
                    nil as Restoration?
                }
            // A card that is gone, or was replaced, takes its claim along.
            let device = host.identity(ofDevice: KernelPath.device(address))
            if let record = try host.loadRecord(of: address), device == nil || record.isStale(for: device) {
                try host.forgetRecord(of: address)
            }
            return result
        }
        guard let result else { return }
        log.recovered(result)
        if !result.isComplete { throw ExitStatus(result) }
    }
}
