package import ArgumentParser
internal import CLinux

/// A command that a verb does.
protocol VerbCommand: ParsableCommand {
    associatedtype CommandVerb: Verb
    /// What the arguments ask for.
    var verb: CommandVerb { get }
}

extension VerbCommand {
    mutating func run() throws { try verb.run() }
}

extension Apertured {
    /// What the arguments ask for, by the parser; `nil` for a command without a verb.
    /// - Throws: The parser's errors, and its help.
    package static func verb(_ words: [String]) throws -> (any Verb)? {
        (try parseAsRoot(words) as? any VerbCommand)?.verb
    }
}

extension Apertured {
    /// The verb that a misspelled one was probably meant to be; `nil` for a verb that exists, and for no near one.
    static func verbMeant(by arguments: [String]) -> String? {
        guard arguments.count > 1 else { return nil }
        let commands = configuration.subcommands.map { $0.configuration }
        if commands.contains(where: { $0.commandName == arguments[1] }) { return nil }
        return Suggestion.nearest(
            to: arguments[1], among: commands.filter(\.shouldDisplay).compactMap(\.commandName) + ["help"])
    }
}

/// The command line's root.
package struct Apertured: ParsableCommand {
    static let version = "0.1.0"

    /// What `--version` prints. A build between two versions names its commit.
    static var nameAndVersion: String {
        let commit = unsafe String(cString: clinux_commit())
        return "apertured \(version)" + (commit.isEmpty ? "" : " (\(commit))")
    }

    /// The name, the help and the subcommands.
    package static let configuration = CommandConfiguration(
        commandName: "apertured",
        abstract: "Bind a GPU to vfio-pci, free of the firmware's framebuffer, and prove it.",
        discussion: """
            Firmware draws the boot screen into the GPU's memory, and a generic driver (efifb, vesafb, simplefb, \
            simpledrm, efidrm, vesadrm) keeps that part of the GPU's BAR, so that a guest gets a dead card. apertured \
            finds the framebuffers that overlap one GPU's BARs, evicts exactly those, binds the GPU to vfio-pci, and \
            maps every BAR through VFIO as the proof.

            Exit status:
            \(ExitStatus.allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n"))
            """,
        version: nameAndVersion,
        subcommands: [
            StatusCommand.self, DoctorCommand.self, PlanCommand.self, ClaimCommand.self, VerifyCommand.self,
            ReleaseCommand.self, RecoverCommand.self, EnableCommand.self, DisableCommand.self, GuardCommand.self,
            PostStopCommand.self, VFIODriverCommand.self, CompleteCommand.self, LogCommand.self, ReportCommand.self,
            ReservationsCommand.self,
        ])

    package init() {}
}
