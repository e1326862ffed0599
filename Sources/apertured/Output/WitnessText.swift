internal import Aperture

/// What each witness says about each framebuffer, for one GPU.
struct WitnessText {
    let text: String

    init(_ plan: Plan) {
        var lines: [String] = []
        for attribution in plan.attributions {
            let driver = attribution.device.driver ?? "no driver"
            lines.append("\(plan.address): \(attribution.device.name) (\(driver)): \(Self.label(attribution.verdict))")
            lines += attribution.evidence.map { "    \($0)" }
        }
        text = lines.map { "\($0)\n" }.joined()
    }

    private static func label(_ verdict: Attribution.Verdict) -> String {
        switch verdict {
        case .unrelated: "not on this GPU"
        case .inBAR: "owns part of a BAR"
        case .inBARUnlisted: "draws into a BAR without a line in \(KernelPath.iomem)"
        case .insufficient: "only one witness"
        case .contradictory: "the witnesses disagree"
        }
    }
}
