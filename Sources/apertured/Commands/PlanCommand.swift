internal import Aperture
internal import ArgumentParser

struct PlanCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what a claim would write, and why, and write nothing.")

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @OptionGroup var policy: PolicyOptions
    @OptionGroup var common: CommonOptions

    var verb: ShowPlan {
        ShowPlan(address: address, options: policy.claimOptions, json: common.json, tree: common.machine.tree)
    }
}
