internal import Aperture
internal import ArgumentParser

struct VerifyCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove a claimed GPU: open it through VFIO and map every BAR.",
        discussion: """
            Uses the IOMMU group with its container, and the device's own node with an iommufd, as far as the kernel \
            has them. Reads a word of each BAR that is prefetchable memory, where a read has no side effect.

            Opening a function and closing it both reset it. A function that cannot be reset alone is reset with its \
            bus or slot when it is closed, if VFIO has every function there and none is in use. A guest that has the \
            GPU open is not disturbed: VFIO then refuses.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(name: .shortAndLong, help: "Also print what helps to find a fault.")
    var verbose = false

    @OptionGroup var selection: SelectionOptions
    @OptionGroup var common: CommonOptions

    var verb: Verify {
        Verify(
            address: address, options: selection.claimOptions, verbose: verbose, json: common.json,
            tree: common.machine.tree)
    }
}
