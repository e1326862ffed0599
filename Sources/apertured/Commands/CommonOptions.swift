internal import Aperture
internal import ArgumentParser
internal import Reclaim
internal import Sysfs
internal import SystemPackage

/// Which machine it is about.
struct RootOption: ParsableArguments {
    @Option(help: ArgumentHelp("Read below this folder, which holds sys, proc and dev.", valueName: "dir"))
    var root = "/"

    var tree: FileTree { FileTree(root: FilePath(root)) }

    func validate() throws {
        guard tree.exists("/sys"), tree.exists("/proc") else {
            throw ValidationError("--root \(root) holds no sys and proc: name the folder above them.")
        }
    }
}

/// What every command takes that a person runs.
struct CommonOptions: ParsableArguments {
    @OptionGroup var machine: RootOption

    @Flag(help: "Print one JSON object.")
    var json = false

    var host: MachineHost { MachineHost(tree: machine.tree) }
}

extension PCIAddress: ExpressibleByArgument {
    /// `0000:01:00.0`, or `01:00.0` for domain 0, and nothing else.
    package init?(argument: String) {
        self.init(argument)
    }
}

extension ClaimOptions.Residue: ExpressibleByArgument {}

/// What decides what a claim may do.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What may end a framebuffer's range that no unbind removes: auto, bounce, rescan or refuse.",
            valueName: "rung"))
    var residue = ClaimOptions.Residue.auto

    @Option(
        help: ArgumentHelp(
            "Let this native driver probe the GPU once, for the bounce rung; may be given again.",
            valueName: "driver"))
    var allowNative: [String] = []

    @Flag(help: "Take this function alone, and leave the rest of its slot.")
    var onlyFunction = false

    @Flag(help: "Go on although a process has the GPU open, where the kernel allows it; never with nvidia.")
    var force = false

    var claimOptions: ClaimOptions {
        var options = ClaimOptions()
        options.residue = residue
        options.allowedNativeDrivers = Set(allowNative)
        options.onlyFunction = onlyFunction
        options.force = force
        return options
    }

    func validate() throws {
        for name in allowNative where NativeDriver.bouncing(named: name) == nil {
            let names = NativeDriver.allowedToBounce.map(\.module).joined(separator: ", ")
            throw ValidationError("--allow-native \(name): only these may be asked to probe once: \(names).")
        }
    }
}
