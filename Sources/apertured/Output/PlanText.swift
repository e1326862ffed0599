internal import Aperture

/// A plan for a person to read.
struct PlanText {
    let text: String

    init(_ plan: Plan) {
        var lines = ["\(plan.address): \(plan.verdict.rawValue)"]
        for choice in plan.choices {
            let what = [choice.label, choice.driver ?? "no driver"].compactMap(\.self).joined(separator: ", ")
            lines.append("  \(choice.isTaken ? "takes " : "leaves") \(choice.name) (\(what)): \(choice.reason)")
        }
        for bar in plan.gpu?.memoryBARs ?? [] {
            lines.append("  BAR \(bar.index)  \(bar.range)")
            for conflict in plan.conflicts where conflict.bar == bar.index {
                lines.append("    \(conflict.entry)\(Self.owner(conflict))")
            }
        }
        for warning in plan.warnings { lines.append("  warning: \(warning)") }
        for notice in plan.notices { lines.append("  note: \(notice)") }
        for (number, step) in plan.steps.enumerated() {
            lines.append("  \(number + 1). \(step.action.rawValue) \(step.target): \(step.reason)")
            lines.append("       \(step.shownValue.isEmpty ? "" : "\(step.shownValue) > ")\(step.path)")
        }
        text = lines.joined(separator: "\n")
    }

    private static func owner(_ conflict: Conflict) -> String {
        let witnesses = conflict.witnesses.map(\.rawValue).joined(separator: ", ")
        let device = conflict.device.map { " on \($0)" } ?? ""
        let driver = conflict.driver.map { ", driver \($0)" } ?? ", no driver"
        return "\(device)\(driver) (\(witnesses))"
    }
}
