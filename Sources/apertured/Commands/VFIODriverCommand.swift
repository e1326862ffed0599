internal import Aperture
internal import ArgumentParser

struct VFIODriverCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "vfio-driver",
        abstract: "Print the VFIO driver that a claim would bind to a GPU, as a udev property.",
        discussion: """
            The udev rule imports the output. apertured@.service runs this outside its sandbox, in which the kernel's \
            modules cannot be seen. Driver= of apertured.conf(5) decides, if the configuration allows the GPU. Without a \
            GPU: loads the drivers of all that the configuration enables.
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress?

    @Flag(help: "Load the driver's module first, if it is not loaded.")
    var load = false

    @OptionGroup var machine: RootOption

    func validate() throws {
        if address == nil, !load { throw ValidationError("Name a GPU, or load the drivers of all with --load.") }
    }

    var verb: FindVFIODriver {
        FindVFIODriver(address: address, load: load, tree: machine.tree)
    }
}
