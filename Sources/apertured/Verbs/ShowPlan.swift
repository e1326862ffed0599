internal import Aperture
internal import JSONFormat
internal import KernelFiles
internal import Reclaim

/// Shows what a claim would write, and why.
struct ShowPlan: Verb {
    var address: PCIAddress
    var options = ClaimOptions()
    var json = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        var settings = Claimer<MachineHost>.Settings()
        settings.options = options
        try Self.show(address, Claimer(host: host, settings: settings), asJSON: json)
    }

    /// Prints the plan of a claim; `claim --dry-run` uses it too.
    static func show(_ address: PCIAddress, _ claimer: Claimer<MachineHost>, asJSON: Bool) throws(ExitStatus) {
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
