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

/// A GPU's BARs drawn to scale, each with the entries of /proc/iomem inside it.
struct AddressMap {
    let text: String

    private static let labelWidth = 12
    private static let narrowest = 16

    /// - Parameters:
    ///   - width: The longest line, in columns.
    ///   - isColored: Whether the owners have colours.
    init(_ plan: Plan, _ memoryMap: MemoryMap, width: Int, isColored: Bool) {
        var lines = ["\(plan.address)"]
        guard case .entries(let tree) = memoryMap else {
            text = lines[0] + ": it is not known what is in its BARs\n"
            return
        }
        for bar in plan.gpu?.memoryBARs ?? [] {
            let kind = (bar.is64Bit ? "64-bit" : "32-bit") + (bar.isPrefetchable ? " prefetchable" : "")
            let title = "  BAR \(bar.index)  \(bar.range)  \(Self.size(bar.range))"
            let isWide = title.count + kind.count + 2 <= width
            lines += isWide ? ["\(title)  \(kind)"] : [title, "         \(kind)"]
            let columns = max(Self.narrowest, width - Self.labelWidth - 5)
            lines.append(Self.row("", String(repeating: ".", count: columns), color: nil))
            for index in tree.overlapping(bar.range) {
                let entry = tree.entries[index]
                guard bar.range.contains(entry.range), entry.name != plan.address.description else { continue }
                let color = isColored ? Self.color(of: entry.name) : nil
                lines.append(Self.row(entry.name, Self.scaled(entry.range, in: bar.range, columns), color: color))
                let range = "\(entry.range)  \(Self.size(entry.range))"
                let indent = max(2, min(Self.labelWidth + 4, width - range.count))
                lines.append(String(repeating: " ", count: indent) + range)
            }
        }
        if plan.gpu?.memoryBARs.isEmpty ?? true { lines.append("  no memory BARs") }
        text = lines.map { "\($0)\n" }.joined()
    }

    private static func row(_ label: String, _ bar: String, color: String?) -> String {
        let label = label.prefix(labelWidth)
        let padding = String(repeating: " ", count: labelWidth - label.count)
        let bar = Terminal.colored(bar, color)
        return "  \(label)\(padding) |\(bar)|"
    }

    /// A row with the entry's cells filled, at least one.
    private static func scaled(_ entry: AddressRange, in bar: AddressRange, _ columns: Int) -> String {
        let columns = UInt128(columns)
        let first = UInt128(entry.start - bar.start) * columns / bar.size
        let past = (UInt128(entry.last - bar.start) + 1) * columns
        let end = max(first + 1, past / bar.size + (past % bar.size == 0 ? 0 : 1))
        return (0..<columns).map { $0 >= first && $0 < end ? "#" : " " }.joined()
    }

    /// The colour of an entry: green for vfio-pci, red for a framebuffer, yellow for any other (ECMA-48 SGR).
    private static func color(of name: String) -> String {
        if name == KernelPath.vfioDriver { return "32" }
        return FramebufferDriver.kind(ofEntryNamed: name) == nil ? "33" : "31"
    }

    static func size(_ range: AddressRange) -> String { "\(ByteSize(range.size))" }
}
