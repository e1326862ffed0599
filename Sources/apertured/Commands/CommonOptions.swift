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
        guard tree.holdsKernelFiles else {
            throw ValidationError("--root \(root) contains no sys and proc: name the folder above them.")
        }
    }
}

/// The options of every command that a person runs.
struct CommonOptions: ParsableArguments {
    @OptionGroup var machine: RootOption

    @Flag(help: "Print one JSON object.")
    var json = false
}

/// How much a command that writes says of what it does.
struct DetailOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print only errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Also print what helps to find a fault.")
    var verbose = false

    func validate() throws {
        if quiet, verbose { throw ValidationError("--quiet and --verbose contradict each other.") }
    }
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

    var claimOptions: ClaimOptions {
        var options = ClaimOptions()
        options.onlyFunction = onlyFunction
        options.wholeSlot = wholeSlot
        options.addedFunctions = Set(addedFunctions)
        return options
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

    @Option(
        help: ArgumentHelp(
            "Stop this service if it has the GPU open, and start it again after the release; may be repeated.",
            valueName: "service"))
    var stop: [String] = []

    var claimOptions: ClaimOptions {
        var options = selection.claimOptions
        options.residue = residue
        options.allowedNativeDrivers = Set(allowNative)
        options.driver = driver
        options.force = force
        options.unloadsNative = unload
        for name in stop where !options.stoppableUnits.contains(name) { options.stoppableUnits.append(name) }
        return options
    }

    func validate() throws {
        for name in allowNative where NativeDriver.bouncing(named: name) == nil {
            let names = NativeDriver.allowedToBounce.map(\.module).joined(separator: ", ")
            throw ValidationError("--allow-native \(name): only these may be asked to probe once: \(names).")
        }
        for name in stop {
            if let objection = ServiceName.objection(to: name) {
                throw ValidationError("--stop \(name): \(objection).")
            }
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

    var plain: Locking { Locking(wait: lockWait, writeDeadline: writeDeadline) }

    func validate() throws {
        guard Locking.waits.contains(lockWait) else { throw ValidationError("--lock-wait takes 0 to 3600 seconds.") }
        guard Locking.writeDeadlines.contains(writeDeadline) else {
            throw ValidationError("--write-deadline takes 1 to 3600 seconds.")
        }
    }
}
