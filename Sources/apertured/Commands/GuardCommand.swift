internal import Aperture
internal import ArgumentParser
internal import Configuration
internal import Guard
internal import Journal
internal import Record
internal import Reclaim
internal import Sysfs
internal import SystemPackage
internal import VFIO

struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Claim a GPU and look after it until told to stop; what apertured@.service runs.",
        discussion: """
            Settles what an earlier run left, claims and proves the GPU, tells the service manager that it is ready, and \
            then waits: a framebuffer that appears over the GPU is evicted, or reported when a guest has the GPU; a GPU \
            that is taken away is reported. SIGHUP checks at once; SIGTERM ends the guard and leaves the claim, which \
            `apertured release` gives back. What may be done comes from apertured.conf(5).

            With apertured=off on the kernel command line it does nothing, and says so.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        let log = ClaimLog(address: address)
        let notifier: ServiceNotifier
        do {
            notifier = try ServiceNotifier()
            if try Self.isSwitchedOff(FileTree(root: FilePath(common.root))) {
                log.switchedOff()
                // Ready, or the start would count as failed; and stopping, or there would be something to release.
                try notifier.tell(.ready, .status("Off: apertured=off on the kernel command line."))
                return try notifier.tell(.stopping)
            }
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
        do {
            try guardCard(log, notifier)
        } catch let status as ExitStatus {
            throw status
        } catch {
            log.fail(error)
            Self.tell(notifier, .status("Failed: \(error)"))
            throw ExitStatus.failed
        }
    }

    private func guardCard(_ log: ClaimLog, _ notifier: ServiceNotifier) throws {
        let host = locking.host(common)
        // Listens before it claims: what happens in between is not missed.
        let loop = try GuardLoop(address, notifier: notifier)
        try recover(host, log, notifier)
        var options = try self.options(log, notifier)
        let bars = try claim(host, options, log, notifier)
        loop.forgetEvents()
        let ready = "Claimed and proven: \(bars) BARs mapped."
        log.guarding()
        try notifier.tell(.ready, .status(ready))
        var guardian = Guardian(host: host, address: address, options: options, tell: log.tell)
        try act(&guardian, host, options, loop, log, notifier)
        while true {
            switch try loop.next() {
            case .stop:
                log.stopped()
                return try notifier.tell(.stopping)
            case .reload:
                try notifier.tellReloading()
                options = try self.options(log, notifier)
                guardian = Guardian(host: host, address: address, options: options, tell: log.tell)
                try act(&guardian, host, options, loop, log, notifier)
                try notifier.tell(.ready, .status(ready))
            case .removed:
                log.tell(.gone)
                try leave(host, notifier)
            case .change(let areEventsLost):
                if areEventsLost { log.tell(.ueventsLost) }
                try act(&guardian, host, options, loop, log, notifier)
            }
        }
    }

    private func act(
        _ guardian: inout Guardian<MachineHost>, _ host: MachineHost, _ options: ClaimOptions, _ loop: GuardLoop,
        _ log: ClaimLog, _ notifier: ServiceNotifier
    ) throws {
        switch guardian.check() {
        case .goOn: break
        case .end: try leave(host, notifier)
        case .claimAgain:
            do {
                _ = try claim(host, options, log, notifier)
            } catch let status as ExitStatus {
                // It was said why. The claim stands, and so does the guard.
                _ = status
            }
            loop.forgetEvents()
            guardian.acceptDevice()
        }
    }

    /// Nothing is left to guard or to release. `settle` sees to it that the unit starts again if the card is back already.
    private func leave(_ host: MachineHost, _ notifier: ServiceNotifier) throws -> Never {
        try notifier.tell(.stopping, .status("The GPU is gone."))
        try host.removeRecord(of: address)
        throw ExitStatus.gone
    }

    /// What an earlier run left half done is settled before anything else, whatever the configuration says by now.
    private func recover(_ host: MachineHost, _ log: ClaimLog, _ notifier: ServiceNotifier) throws {
        let result = try host.locked(within: locking.lockMilliseconds) {
            try host.record(of: address).flatMap(Recoverer(host: host, tell: log.tell).recover)
        }
        guard let result else { return }
        log.recovered(result)
        guard !result.failures.isEmpty else { return }
        Self.tell(notifier, .status("Failed: what an earlier run left could not be settled yet."))
        throw ExitStatus.failed
    }

    /// - Returns: How many BARs were mapped.
    private func claim(
        _ host: MachineHost, _ options: ClaimOptions, _ log: ClaimLog, _ notifier: ServiceNotifier
    ) throws -> Int {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = options
        let outcome = try host.locked(within: locking.lockMilliseconds) {
            try Claimer(host: host, settings: settings, tell: log.tell).claim(address)
        }
        switch outcome.result {
        case .claimed, .nothingToDo:
            log.succeed(outcome)
            return Set(outcome.proofs.filter { $0.outcome == .mapped }.map { "\($0.address) \($0.bar)" }).count
        case .refused:
            outcome.plan.refusals.forEach(log.refuse)
            let why = outcome.plan.refusals.map(\.message).joined(separator: " ")
            Self.tell(notifier, .status("Refused: \(why)"))
            throw ExitStatus.refused
        case .failed(let failure):
            log.fail(failure, undo: outcome.undo)
            Self.tell(notifier, .status("Failed: \(failure)"))
            throw outcome.undo?.isComplete ?? true ? ExitStatus.failed : .notRestored
        }
    }

    private func options(_ log: ClaimLog, _ notifier: ServiceNotifier) throws -> ClaimOptions {
        let tree = FileTree(root: FilePath(common.root))
        let configuration = try ConfigurationReader(tree: tree).read()
        configuration.warnings.forEach(log.warn)
        switch configuration.verdict(for: address, among: try CardReader(tree: tree).read()) {
        case .allowed(let options): return options
        case .refused(let refusals):
            refusals.forEach(log.refuse)
            Self.tell(notifier, .status("Refused: \(refusals.map(\.description).joined(separator: " "))"))
            throw ExitStatus.refused
        }
    }

    /// The way out for someone with a black screen.
    static func isSwitchedOff(_ tree: FileTree) throws -> Bool {
        let line = try tree.textIfPresent("/proc/cmdline") ?? ""
        return line.split(whereSeparator: \.isWhitespace).contains("apertured=off")
    }

    /// The status line is a courtesy: the exit status says the same to whoever waits.
    private static func tell(_ notifier: ServiceNotifier, _ state: ServiceState) {
        do {
            try notifier.tell(state)
        } catch {
            Terminal.complain("apertured: \(error)")
        }
    }
}
