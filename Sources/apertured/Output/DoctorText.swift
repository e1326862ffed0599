internal import Aperture
internal import PCIAccess

/// A diagnosis for a person to read: one paragraph per finding, below a heading for each card and one for the machine.
struct DoctorText {
    let text: String

    /// A narrower terminal breaks the lines itself.
    private static let narrowest = 20
    private static let indent = "  "
    private static let remedyIndent = "    "

    /// - Parameters:
    ///   - width: The longest line, in columns; `nil` for a pipe, where each finding has one line, and its remedy another.
    ///   - isColored: Whether the marks have colours.
    init(_ cards: [DiagnosedCard], machine: [Finding], width: Int?, isColored: Bool) {
        let names = DeviceNames()
        let width = width.map { max(Self.narrowest, $0) }
        var parts = cards.map { card in
            let address = card.plan.address.description
            let room = width.map { $0 - address.count - 2 } ?? Int.max
            let name = card.plan.gpu.map { names.parts(vendor: $0.vendor, device: $0.device).fitting(room) }
            return
                ([([address] + [name].compactMap(\.self)).joined(separator: Self.indent)]
                + card.findings.flatMap { Self.lines($0, width, isColored) }
                + TextWrap.lines(Self.verdict(card), width, first: "", rest: ""))
        }
        if cards.isEmpty { parts.append(["No GPUs."]) }
        parts.append(["This machine"] + machine.flatMap { Self.lines($0, width, isColored) })
        text = parts.map { lines in lines.map { "\($0)\n" }.joined() }.joined(separator: "\n")
    }

    private static func verdict(_ card: DiagnosedCard) -> String {
        let obstacles = card.findings.count { $0.mark == .obstacle }
        switch obstacles {
        case 0 where card.plan.verdict == .nothingToDo: return "It is on VFIO, and nothing is in its BARs."
        case 0: return "A claim would succeed."
        case 1: return "A claim would be refused, for one reason."
        default: return "A claim would be refused, for \(obstacles) reasons."
        }
    }

    private static func lines(_ finding: Finding, _ width: Int?, _ isColored: Bool) -> [String] {
        let sign = finding.mark.sign
        var lines = TextWrap.lines("\(finding.subject): \(finding.statement)", width, first: "\(sign) ", rest: indent)
        if isColored, let first = lines.first {
            lines[0] = Terminal.colored(sign, color(of: finding.mark)) + first.dropFirst()
        }
        if let remedy = finding.remedy {
            lines += TextWrap.lines(remedy, width, first: remedyIndent, rest: remedyIndent)
        }
        return lines
    }

    /// As in the table of `status`: green where nothing is to be done, yellow to look at, red in the way.
    private static func color(of mark: Finding.Mark) -> String? {
        switch mark {
        case .ok: "32"
        case .note: "33"
        case .obstacle: "31"
        case .unknown: nil
        }
    }
}
