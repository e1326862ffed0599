internal import ArgumentParser

struct CompleteCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "Print what a shell's completion offers for an argument, one line each.",
        discussion: "A description follows behind a tabulator where there is one.",
        shouldDisplay: false)

    @Argument(help: "What the argument is.")
    var kind: Complete.Kind

    @OptionGroup var machine: RootOption

    var verb: Complete { Complete(kind: kind, tree: machine.tree) }
}

extension Complete.Kind: ExpressibleByArgument {}
