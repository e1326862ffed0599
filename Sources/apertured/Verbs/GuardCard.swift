internal import Aperture
internal import Enabling
internal import Glibc
internal import Guard
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import SystemPackage

/// Claims a GPU and guards it.
struct GuardCard: Verb {
    var address: PCIAddress
    var verbose = false
    var log = LogChoice.auto
    var locking = Locking()
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let detail = Detail(quiet: false, verbose: verbose)
        let log = ClaimLog(address: address, log: log.log(detail.threshold))
        let notifier: ServiceNotifier
        let loop: GuardLoop
        if let refusal = WritingVerb.begin(tree) ?? Refusal.foreignProcesses(in: tree) {
            log.refuse(refusal)
            throw ExitStatus.refused
        }
        do {
            notifier = try ServiceNotifier()
            if try Self.isSwitchedOff(tree) {
                log.switchedOff()
                return try notifier.tellSwitchedOff()
            }
            // Listen before the claim, so that no event is missed.
            loop = try GuardLoop(card: address, notifier: notifier)
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
        log.notReservedEarly(EnablementReader(tree: tree).read(address))
        var host = locking.host(tree, interruptions: [SIGINT, SIGTERM])
        let (tick, whileLocked, timeout) = (host.tick, host.whileLocked, StartTimeout(notifier: notifier))
        // Several reads or writes can hang, each for its whole deadline.
        host.tick = {
            loop.notifyWatchdog()
            tick()
        }
        host.whileLocked = { left in
            timeout.extend()
            whileLocked(left)
        }
        let metrics = ClaimMetrics(address, on: host, warn: log.metricsMissing)
        let card = CardGuard(
            address, host: host, source: loop, tree: tree, lockMilliseconds: locking.lockMilliseconds,
            notifier: notifier, boot: Boot(isUnderWay: ServiceManager.isStarting, endSplash: ServiceManager.endSplash)
        ) { event in
            // A service that is stopped may take longer than the whole start may.
            if case .claim(.stepping(let step)) = event, step.rung == .stop { timeout.extend() }
            log.tell(event)
            if metrics.follow(event) { metrics.refresh() }
        }
        if let status = ExitStatus(card.run()) { throw status }
    }

    /// Whether the kernel command line says `apertured=off`: the way out when the claim took the only screen.
    static func isSwitchedOff(_ tree: FileTree) throws -> Bool {
        let line = try tree.textIfPresent("/proc/cmdline") ?? ""
        return line.split(whereSeparator: \.isWhitespace).contains("apertured=off")
    }
}

extension ServiceNotifier {
    /// Tells a guard's end that does nothing. Without `ready` the start would count as failed; without `stopping` systemd
    /// would run ExecStop=.
    func tellSwitchedOff() throws(JournalError) {
        try tellSurely(.ready, .status("Off: apertured=off on the kernel command line."))
        try tellSurely(.stopping)
    }
}
