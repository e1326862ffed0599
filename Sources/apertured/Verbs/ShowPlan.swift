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
        try Self.show(address, Claimer(host: host, settings: settings), in: tree, asJSON: json)
    }

    /// Prints the plan of a claim; `claim --dry-run` uses it too.
    static func show(
        _ address: PCIAddress, _ claimer: Claimer<MachineHost>, in tree: FileTree, asJSON: Bool
    ) throws(ExitStatus) {
        let plan: Plan
        do {
            plan = try claimer.plan(for: address)
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
        Terminal.print(asJSON ? PlanDocument(plan).json.text : PlanText(plan).text)
        if plan.verdict == .refused {
            let unseen: [Refusal.Code] = [.iomemMasked, .iomemUnreadable, .holdersUnknown]
            if plan.refusals.contains(where: { unseen.contains($0.code) }), let hidden = ReadingVerb.whatIsHidden(tree)
            {
                Terminal.warn(hidden)
            }
            plan.refusals.forEach { Terminal.refuse($0, about: address) }
            throw ExitStatus.refused
        }
    }
}
