internal import Aperture
internal import ArgumentParser
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import Reclaim
internal import Record
internal import SystemPackage

/// The root of the machine's files.
struct RootOption: ParsableArguments {
    @Option(help: ArgumentHelp("Use the sys, proc and dev in this folder.", valueName: "dir"))
    var root = "/"

    var tree: FileTree { FileTree(root: FilePath(root)) }

    func validate() throws {
        guard tree.exists("/sys"), tree.exists("/proc") else {
            throw ValidationError("--root \(root) contains no sys and proc: name the folder above them.")
        }
    }
}

/// The options of every command that a person runs.
struct CommonOptions: ParsableArguments {
    @OptionGroup var machine: RootOption

    @Flag(help: "Print one JSON object.")
    var json = false

    var host: MachineHost { MachineHost(tree: machine.tree) }
}

extension PCIAddress: ExpressibleByArgument {
    /// Parses `0000:01:00.0`, or `01:00.0` for domain 0, and nothing else.
    package init?(argument: String) {
        self.init(argument)
    }
}

extension ClaimOptions.Residue: ExpressibleByArgument {}

/// The functions of the slot that belong to the claim.
struct SelectionOptions: ParsableArguments {
    @Flag(help: "Take this function alone, and leave the rest of its slot.")
    var onlyFunction = false

    @Flag(help: "Take every endpoint of the slot.")
    var wholeSlot = false

    @Option(
        name: .customLong("function"),
        help: ArgumentHelp("Also take this function of the slot; may be repeated.", valueName: "address"))
    var addedFunctions: [PCIAddress] = []

    func apply(to options: inout ClaimOptions) {
        options.onlyFunction = onlyFunction
        options.wholeSlot = wholeSlot
        options.addedFunctions = Set(addedFunctions)
    }

    func validate() throws {
        if onlyFunction, wholeSlot || !addedFunctions.isEmpty {
            throw ValidationError("--only-function takes the GPU alone; do not add --whole-slot or --function.")
        }
    }
}

/// Claim policy.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What may end a framebuffer's range that no unbind removes: \(ClaimOptions.Residue.list).",
            valueName: "rung"))
    var residue = ClaimOptions.Residue.auto

    @Option(
        help: ArgumentHelp(
            "Let this native driver probe the GPU once, for the bounce rung; may be repeated.",
            valueName: "driver"))
    var allowNative: [String] = []

    @Option(
        help: ArgumentHelp(
            "The VFIO driver to bind. Default: the best match among the kernel's variants, else vfio-pci.",
            valueName: "name"))
    var driver: String?

    @OptionGroup var selection: SelectionOptions

    @Flag(
        help: ArgumentHelp(
            "Go on even if a process may have the GPU open, where the kernel allows it; never with nvidia."
        ))
    var force = false

    @Flag(help: "Unload nvidia's kernel modules, which keep a GPU busy, if no other GPU needs them.")
    var unload = false

    var claimOptions: ClaimOptions {
        var options = ClaimOptions()
        options.residue = residue
        options.allowedNativeDrivers = Set(allowNative)
        selection.apply(to: &options)
        options.driver = driver
        options.force = force
        options.unloadsNative = unload
        return options
    }

    func validate() throws {
        for name in allowNative where NativeDriver.bouncing(named: name) == nil {
            let names = NativeDriver.allowedToBounce.map(\.module).joined(separator: ", ")
            throw ValidationError("--allow-native \(name): only these may be asked to probe once: \(names).")
        }
        if let driver, !VFIODrivers.isNamed(driver) {
            throw ValidationError(
                "--driver \(driver) is no VFIO driver: name vfio-pci, or a variant such as mlx5_vfio_pci.")
        }
    }
}

/// The options of every command that writes.
struct LockOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Seconds to wait for another run of apertured, and for each that is waiting already.", valueName: "seconds")
    )
    var lockWait = 10

    @Option(
        help: ArgumentHelp("Seconds that one write may take in the kernel before it is given up.", valueName: "seconds")
    )
    var writeDeadline = 30

    var lockMilliseconds: Int32 { Int32(lockWait) * 1000 }

    /// - Parameter interruptions: The signals that end the command.
    func host(_ machine: RootOption, interruptions: [CInt] = WritingVerb.interruptions) -> MachineHost {
        MachineHost(
            tree: machine.tree, writeDeadline: Int32(writeDeadline) * 1000, interruptions: interruptions)
    }

    func validate() throws {
        guard (0...3600).contains(lockWait) else { throw ValidationError("--lock-wait takes 0 to 3600 seconds.") }
        guard (1...3600).contains(writeDeadline) else {
            throw ValidationError("--write-deadline takes 1 to 3600 seconds.")
        }
    }
}

/// What all commands that write have in common: a signal ends them only between two steps, they need root, and only one
/// runs at a time.
enum WritingVerb {
    /// The signals that end such a command, before its next step.
    static let interruptions = [SIGHUP, SIGINT, SIGTERM]

    /// Holds these signals back and checks for root. Call it before anything else.
    /// - Returns: Why the command must not begin; `nil` to go on.
    static func begin(_ machine: RootOption) -> Refusal? {
        clinux_hold_interruptions()
        guard machine.tree.isMachine, geteuid() != 0 else { return nil }
        return Refusal(
            .notRoot, "Only root can change drivers and devices, and this is user \(geteuid()).",
            remedy: "Run it as root, for example with sudo.")
    }

    /// The refusal for a lock that another run holds; `nil` for any other error.
    static func refusal(_ error: ReclaimError) -> Refusal? {
        guard case .record(.locked(let holder)) = error else { return nil }
        return Refusal(
            .locked, "Another apertured is at work: \(holder).",
            remedy: "Try again when it has finished, or wait for it with --lock-wait.")
    }
}
