internal import Aperture
internal import ArgumentParser

struct RecoverCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Undo or finish claims and releases that were interrupted.",
        discussion: """
            Undoes a claim that a kill or a crash interrupted, finishes a release, and leaves a finished claim alone. \
            Safe to run at any time. Exit status 4 when something could not be restored.
            """)

    @Argument(help: ArgumentHelp("PCI addresses. Default: every GPU that has a record.", valueName: "gpu"))
    var addresses: [PCIAddress] = []

    @Flag(help: "Go on when it is not known who has the GPU open.")
    var force = false

    @OptionGroup var detail: DetailOptions
    @OptionGroup var locking: LockOptions
    @OptionGroup var common: CommonOptions

    var verb: Recover {
        Recover(
            addresses: addresses, force: force, quiet: detail.quiet, verbose: detail.verbose, locking: locking.plain,
            json: common.json,
            tree: common.machine.tree)
    }
}
