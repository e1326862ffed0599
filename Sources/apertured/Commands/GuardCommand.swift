internal import Aperture
internal import ArgumentParser

struct GuardCommand: VerbCommand {
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

    @Flag(name: .shortAndLong, help: "Also print what helps to find a fault.")
    var verbose = false

    @OptionGroup var locking: LockOptions
    @OptionGroup var machine: RootOption

    var verb: GuardCard {
        GuardCard(address: address, verbose: verbose, locking: locking.plain, tree: machine.tree)
    }
}
