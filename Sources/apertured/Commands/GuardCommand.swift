internal import Aperture
internal import ArgumentParser
internal import Glibc
internal import Guard
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import SystemPackage

struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Claim a GPU and guard it until a signal comes; apertured@.service runs this.",
        discussion: """
            Recovers from an interrupted run, claims and proves the GPU, reports to the service manager that it is \
            ready, and then waits. A framebuffer that appears in the GPU's BARs is evicted, or reported when a guest \
            has the GPU. A GPU that is taken from vfio-pci is reported. SIGHUP reads the configuration again and \
            checks the GPU at once. SIGTERM ends the guard; the claim stays until `apertured release`. The policy \
            comes from apertured.conf(5).

            With apertured=off on the kernel command line the guard does nothing, and says so.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var locking: LockOptions
    @OptionGroup var machine: RootOption

    func run() throws {
        let log = ClaimLog(address: address)
        let notifier: ServiceNotifier
        let loop: GuardLoop
        if let refusal = WritingVerb.begin(machine) {
            log.refuse(refusal)
            throw ExitStatus.refused
        }
        do {
            notifier = try ServiceNotifier()
            if try Self.isSwitchedOff(machine.tree) {
                log.switchedOff()
                // Without `ready` the start would count as failed; without `stopping` systemd would run ExecStop=.
                try notifier.tellSurely(.ready, .status("Off: apertured=off on the kernel command line."))
                return try notifier.tellSurely(.stopping)
            }
            // Listen before the claim, so that no event is missed.
            loop = try GuardLoop(card: address, notifier: notifier)
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
        var host = locking.host(machine, interruptions: [SIGINT, SIGTERM])
        // Several reads or writes can hang, each for its whole deadline.
        host.tick = loop.notifyWatchdog
        host.whileLocked = StartTimeout(notifier: notifier).extend
        let card = CardGuard(
            address, host: host, source: loop, tree: machine.tree, lockMilliseconds: locking.lockMilliseconds,
            notifier: notifier, tell: log.tell)
        if let status = ExitStatus(card.run()) { throw status }
    }

    /// Whether the kernel command line says `apertured=off`: the way out when the claim took the only screen.
    static func isSwitchedOff(_ tree: FileTree) throws -> Bool {
        let line = try tree.textIfPresent("/proc/cmdline") ?? ""
        return line.split(whereSeparator: \.isWhitespace).contains("apertured=off")
    }
}
