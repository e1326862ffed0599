internal import Aperture
internal import ArgumentParser
internal import Glibc
internal import Guard
internal import Journal
internal import Reclaim
internal import KernelFiles
internal import SystemPackage

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
    @OptionGroup var machine: RootOption

    func run() throws {
        let log = ClaimLog(address: address)
        let notifier: ServiceNotifier
        if let refusal = WritingVerb.begin(machine) {
            log.refuse(refusal)
            throw ExitStatus.refused
        }
        do {
            notifier = try ServiceNotifier()
            if try Self.isSwitchedOff(machine.tree) {
                log.switchedOff()
                // Ready, or the start would count as failed; and stopping, or there would be something to release.
                try notifier.tellSurely(.ready, .status("Off: apertured=off on the kernel command line."))
                return try notifier.tellSurely(.stopping)
            }
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
        let loop: GuardLoop
        do {
            // Listens from now on, before anything is claimed.
            loop = try GuardLoop(card: address, notifier: notifier)
        } catch {
            log.fail(error)
            throw ExitStatus.failed
        }
        var host = locking.host(machine, interruptions: [SIGINT, SIGTERM])
        // What hangs takes as long as its deadline, and more than one thing can hang.
        host.tick = loop.notifyWatchdog
        host.whileLocked = StartTimeout(notifier: notifier).extend
        let card = CardGuard(
            address, host: host, source: loop, tree: machine.tree, lockMilliseconds: locking.lockMilliseconds,
            notifier: notifier, tell: log.tell)
        if let status = ExitStatus(card.run()) { throw status }
    }

    /// The way out for someone with a black screen.
    static func isSwitchedOff(_ tree: FileTree) throws -> Bool {
        let line = try tree.textIfPresent("/proc/cmdline") ?? ""
        return line.split(whereSeparator: \.isWhitespace).contains("apertured=off")
    }
}
