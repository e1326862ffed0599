internal import Aperture
internal import ArgumentParser

struct ClaimCommand: VerbCommand {
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

    @OptionGroup var detail: DetailOptions
    @OptionGroup var policy: PolicyOptions
    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard Claim.waits.contains(wait) else { throw ValidationError("--wait takes 0 to 3600 seconds.") }
    }

    var verb: Claim {
        Claim(
            address: address, options: policy.claimOptions, dryRun: dryRun, noVerify: noVerify, wait: wait,
            quiet: detail.quiet, verbose: detail.verbose, locking: locking.plain, json: common.json,
            tree: common.machine.tree)
    }
}
