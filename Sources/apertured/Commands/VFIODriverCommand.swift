internal import Aperture
internal import ArgumentParser
internal import Configuration
internal import KernelFiles
internal import Reclaim

struct VFIODriverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vfio-driver",
        abstract: "Print the VFIO driver that a claim would bind to a GPU, as a udev property.",
        discussion: """
            The udev rule imports the output. apertured@.service runs this outside its sandbox, in which the kernel's \
            modules cannot be seen. Driver= of apertured.conf(5) decides, if the configuration allows the GPU.
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Load the driver's module first, if it is not loaded.")
    var load = false

    @OptionGroup var machine: RootOption

    func run() throws {
        do {
            var (choice, isAllowed) = try choose()
            // The exact name of a variant driver is known only after its module is loaded. Load nothing for a refused
            // card.
            if load, isAllowed, let module = choice.module {
                try MachineHost(tree: machine.tree).load(module: module)
                choice = try choose().choice
            }
            Terminal.print("APERTURED_DRIVER=\(choice.driver)")
        } catch {
            Terminal.complain("apertured: \(error)")
            throw ExitStatus.failed
        }
    }

    private func choose() throws -> (choice: SnapshotReader.DriverChoice, isAllowed: Bool) {
        let configuration = try ConfigurationReader(tree: machine.tree).read()
        let reader = SnapshotReader(tree: machine.tree)
        let verdict = configuration.verdict(for: address, among: try reader.cards())
        guard case .allowed(let options) = verdict else {
            return (try reader.vfioDriver(for: address, wish: nil), false)
        }
        return (try reader.vfioDriver(for: address, wish: options.driver), true)
    }
}
