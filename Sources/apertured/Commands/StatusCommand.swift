internal import Aperture
internal import ArgumentParser

struct StatusCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "List the GPUs, their drivers, and what holds which BAR.")

    @Argument(help: ArgumentHelp("PCI addresses. Default: all GPUs.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @Flag(name: .shortAndLong, help: "Show what each witness says of each framebuffer.")
    var verbose = false

    @Flag(help: "Draw each BAR to scale, with the entries of /proc/iomem inside it.")
    var map = false

    @Flag(help: "Show it again after each change, until the program is ended. With --json, a document per line.")
    var watch = false

    @OptionGroup var common: CommonOptions

    var verb: Status {
        Status(
            addresses: addresses, verbose: verbose, map: map, json: common.json, watches: watch,
            tree: common.machine.tree)
    }
}
