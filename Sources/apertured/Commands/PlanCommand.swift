internal import Aperture
internal import ArgumentParser
internal import JSONFormat
internal import Reclaim

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what a claim would write, and why, and write nothing.")

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var policy: PolicyOptions
    @OptionGroup var common: CommonOptions

    func run() throws {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = policy.claimOptions
        try Self.show(address, Claimer(host: common.host, settings: settings), asJSON: common.json)
    }

    /// Prints the plan of a claim; `claim --dry-run` uses it too.
    static func show(_ address: PCIAddress, _ claimer: Claimer<MachineHost>, asJSON: Bool) throws {
        let plan: Plan
        do {
            plan = try claimer.plan(for: address)
        } catch {
            Terminal.complain("apertured: \(error)")
            throw ExitStatus.failed
        }
        Terminal.print(asJSON ? PlanDocument(plan).json.text : PlanText(plan).text)
        if plan.verdict == .refused {
            plan.refusals.forEach { Terminal.complain("apertured: refused: \($0)") }
            throw ExitStatus.refused
        }
    }
}
