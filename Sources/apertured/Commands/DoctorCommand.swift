internal import Aperture
internal import ArgumentParser

struct DoctorCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "List what decides whether a guest will get a GPU, and what mends it, and write nothing.",
        discussion: """
            What stops a claim comes first, in the order of what to mend first. Exit status: 0 if a claim of each GPU \
            would succeed, 1 if something is to be done.
            """)

    @Argument(help: ArgumentHelp("PCI addresses. Default: all GPUs.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @OptionGroup var policy: PolicyOptions
    @OptionGroup var common: CommonOptions

    var verb: Doctor {
        Doctor(addresses: addresses, options: policy.claimOptions, json: common.json, tree: common.machine.tree)
    }
}
