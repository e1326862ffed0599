internal import Aperture
internal import ArgumentParser

struct ReportCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write an archive of what plan and status read, for a bug report.",
        discussion: """
            The archive has the files of the kernel that `apertured plan` and `apertured status` read, what both said, \
            and the journal of the GPU. Names of the host, of users and of guests, serial numbers, MAC addresses and \
            UUIDs are replaced; its README says what else is left out. Unpacked, it is a folder for --root. Run it as \
            root: without, much is missing, and the report says so.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address. Default: all GPUs.", valueName: "gpu"))
    var address: PCIAddress?

    @Option(
        help: ArgumentHelp(
            "The file to write, such as report.tar.gz; - is the standard output.", valueName: "file"))
    var output: String

    @Flag(help: "Replace the file, if it exists.")
    var force = false

    @OptionGroup var machine: RootOption

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output takes a file's name.") }
    }

    var verb: WriteReport {
        WriteReport(address: address, output: output, force: force, tree: machine.tree)
    }
}
