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

    @Flag(help: "Print metrics for Prometheus, in its text format.")
    var metrics = false

    @Flag(help: "Print labels for node-feature-discovery, in the format of its features.d.")
    var nfd = false

    @Option(help: ArgumentHelp("Write the metrics or the labels to this file, by a rename.", valueName: "file"))
    var output: String?

    @Option(
        defaultAsFlag: .ready,
        help: ArgumentHelp(
            "Print nothing, and succeed if the guard of several GPUs is alive; for ready, if all that are enabled are claimed.",
            valueName: "what"))
    var probe: ProbeKind?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if probe != nil, metrics || nfd || common.json || watch || map || verbose {
            throw ValidationError("--probe prints nothing: give no other option with it.")
        }
        let others = [("--json", common.json), ("--watch", watch), ("--map", map), ("--verbose", verbose)]
        for (name, isGiven) in [("--metrics", metrics), ("--nfd", nfd)] where isGiven {
            if let other = others.first(where: \.1)?.0 ?? (metrics && nfd ? "--nfd" : nil) {
                throw ValidationError("\(name) and \(other) contradict each other.")
            }
        }
        guard let output else { return }
        if !metrics, !nfd { throw ValidationError("--output is for --metrics or --nfd.") }
        if output.isEmpty { throw ValidationError("--output takes a file's name.") }
    }

    var verb: Status {
        Status(
            addresses: addresses, verbose: verbose, map: map, json: common.json, watches: watch, metrics: metrics,
            nodeFeatures: nfd, output: output, probe: probe, tree: common.machine.tree)
    }
}

extension ProbeKind: ExpressibleByArgument {}
