internal import Aperture
internal import ArgumentParser

struct ReleaseCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Give a claimed GPU back to the drivers that had it before.",
        discussion: """
            Unbinds vfio-pci, restores the driver overrides, and binds the former drivers. If the GPU had none, the \
            firmware's framebuffer comes back, provided that its memory is still in the GPU's BARs. What cannot be \
            restored is reported before anything is written.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Forget the claim, and leave the GPU on vfio-pci.")
    var keep = false

    @Flag(help: "Do nothing while the system shuts down, or without a claim; for apertured@.service.")
    var onlyWhenRunning = false

    @Flag(help: "Go on when it is not known who has the GPU open.")
    var force = false

    @OptionGroup var detail: DetailOptions
    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    var verb: Release {
        Release(
            address: address, keep: keep, onlyWhenRunning: onlyWhenRunning, force: force, quiet: detail.quiet,
            verbose: detail.verbose,
            locking: locking.plain, json: common.json, tree: common.machine.tree)
    }
}
