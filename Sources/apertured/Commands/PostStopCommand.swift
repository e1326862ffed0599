internal import Aperture
internal import ArgumentParser

struct PostStopCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "post-stop",
        abstract: "Clean up after a unit has ended in whatever way; apertured@.service runs this as ExecStopPost=.",
        discussion: """
            Recovers from an interrupted run, and removes the record of a GPU that is gone. A finished claim stays, \
            unless the unit was stopped before it was ready (SERVICE_RESULT=success): then the GPU is released. Fails \
            when the guard ended because its GPU went (EXIT_STATUS=5) and the GPU is back, so that systemd starts the \
            unit again.
            """,
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var locking: LockOptions
    @OptionGroup var machine: RootOption

    var verb: PostStop {
        PostStop(address: address, locking: locking.plain, tree: machine.tree)
    }
}
