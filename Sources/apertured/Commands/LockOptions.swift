internal import Aperture
internal import ArgumentParser
internal import KernelFiles
internal import Reclaim
internal import Record
internal import SystemPackage

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
