internal import Aperture
internal import ArgumentParser
internal import Configuration
internal import Reclaim
internal import Sysfs

struct VFIODriverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vfio-driver",
        abstract: "Print the VFIO driver that a claim would bind to a GPU, as a udev property.",
        discussion: """
            What the udev rule imports, and what apertured@.service runs before its sandbox is closed: inside of it the \
            kernel's modules cannot be seen. Driver= of apertured.conf(5) counts where it is allowed.
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Load the driver's module first, where it is one.")
    var load = false

    @OptionGroup var machine: RootOption

    func run() throws {
        do {
            let choice = try choose()
            // A variant's exact name is only known once its module is there.
            if load, let module = choice.module {
                try MachineHost(tree: machine.tree).load(module: module)
                print("APERTURED_DRIVER=\(try choose().driver)")
            } else {
                print("APERTURED_DRIVER=\(choice.driver)")
            }
        } catch {
            Terminal.complain("apertured: \(error)")
            throw ExitStatus.failed
        }
    }

    private func choose() throws -> SnapshotReader.DriverChoice {
        let configuration = try ConfigurationReader(tree: machine.tree).read()
        var wish: String?
        // A card that is refused is not claimed, whatever driver it would have had.
        if case .allowed(let options) = configuration.verdict(
            for: address, among: try CardReader(tree: machine.tree).read())
        {
            wish = options.driver
        }
        return try SnapshotReader(tree: machine.tree).vfioDriver(for: address, wish: wish)
    }
}
