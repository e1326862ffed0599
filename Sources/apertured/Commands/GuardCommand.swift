internal import Aperture
internal import ArgumentParser
internal import Guard

struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Claim GPUs and guard them until a signal comes; the units run this.",
        discussion: """
            With one GPU, as apertured@.service runs it: recovers from an interrupted run, claims and proves the GPU, \
            reports to the service manager that it is ready, and then waits. A framebuffer that appears in the GPU's \
            BARs is evicted, or reported when a guest has the GPU. A GPU that is taken from vfio-pci is reported. \
            SIGHUP reads the configuration again and checks the GPU at once. SIGTERM ends the guard; the claim stays \
            until `apertured release`. The policy comes from apertured.conf(5).

            With several GPUs, or with none, as apertured.service runs it: the same for each of them in one process; \
            without an argument, for the GPUs that the configuration enables with Enabled=yes, also those that are \
            plugged in later. A GPU that hangs or fails delays no other. SIGTERM gives the GPUs back, unless --on-stop \
            says keep. A GPU that another guard has is left to it.

            With apertured=off on the kernel command line the guard does nothing, and says so.
            """)

    @Argument(help: ArgumentHelp("The GPUs' PCI addresses, such as 0000:01:00.0.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @Option(
        help: ArgumentHelp(
            "What becomes of the GPUs when the guard stops: \(StopPolicy.allCases.map(\.rawValue).joined(separator: " or ")). "
                + "Default: release; with one GPU: keep.",
            valueName: "what"))
    var onStop: StopPolicy?

    @Option(
        help: ArgumentHelp(
            "Where the log goes: auto is the journal or the standard error, json one object a line on the standard output.",
            valueName: "where"))
    var log = LogChoice.auto

    @Flag(name: .shortAndLong, help: "Also print what helps to find a fault.")
    var verbose = false

    @OptionGroup var locking: LockOptions
    @OptionGroup var machine: RootOption

    func validate() throws {
        if let twice = addresses.first(where: { address in addresses.count { $0 == address } > 1 }) {
            throw ValidationError("\(twice) is named twice.")
        }
    }
}

extension GuardCommand: VerbCommand {
    var verb: GuardVerb {
        GuardVerb(
            addresses: addresses, onStop: onStop, verbose: verbose, log: log, locking: locking.plain,
            tree: machine.tree)
    }
}

extension StopPolicy: ExpressibleByArgument {}

extension LogChoice: ExpressibleByArgument {}
