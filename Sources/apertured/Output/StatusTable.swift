internal import Aperture
internal import PCIAccess

/// The table that `status` prints: one line per GPU, and one per further conflict.
struct StatusTable {
    let text: String

    private enum Column: String, CaseIterable {
        case address, name, `class`, boot, driver, group, state, held
    }

    /// What a narrow terminal lacks first; what is held comes below the line at last.
    private static let leastNeeded: [Column] = [.class, .group, .boot]
    private static let gap = "  "
    /// The longest name in a pipe, where the columns do not depend on a terminal.
    private static let longestName = 44
    private static let shortestName = 12
    /// A name that tells the cards apart, for which other columns go.
    private static let usefulName = 26

    /// - Parameters:
    ///   - width: The longest line, in columns; `nil` for a pipe. Addresses, drivers and states are never cut, so that a
    ///     very narrow terminal breaks the lines.
    ///   - isColored: Whether the states have colours.
    init(_ rows: [GPUStatus], width: Int?, isColored: Bool) {
        let names = DeviceNames()
        var cards: [(name: DeviceName, owner: String, row: GPUStatus, gpu: PCIFunction)] = []
        for row in rows {
            guard let gpu = row.plan.gpu else { continue }
            cards.append(
                (
                    names.parts(vendor: gpu.vendor, device: gpu.device),
                    gpu.physicalFunction.map { "VF of \($0), " } ?? "", row, gpu
                ))
        }
        var columns = Column.allCases
        // The other columns' widths are those of their cells; the name gets what is left.
        func cells(_ nameWidth: Int) -> [[Column: String]] {
            cards.flatMap { card in
                Self.lines(card.row, card.gpu, name: card.owner + card.name.fitting(nameWidth - card.owner.count))
            }
        }
        let narrow = cells(Self.shortestName)
        func room(_ columns: [Column]) -> Int? {
            guard let width else { return Self.longestName }
            let others = columns.filter { $0 != .name }.map { Self.width(of: $0, in: narrow) }
            return width - others.reduce(0, +) - Self.gap.count * (columns.count - 1)
        }
        for column in Self.leastNeeded where room(columns).map({ $0 < Self.usefulName }) == true {
            columns.removeAll { $0 == column }
        }
        if let room = room(columns), room < Self.shortestName { columns.removeAll { $0 == .held } }
        let table = cells(max(Self.shortestName, min(room(columns) ?? 0, 1000)))
        let widths = columns.map { Self.width(of: $0, in: table) }
        let header = Dictionary(uniqueKeysWithValues: Column.allCases.map { ($0, $0.rawValue.uppercased()) })
        text = ([header] + table).map { line in
            // What is held stands below a card's line where there is no room beside it.
            let isBelow = !columns.contains(.held) && line[.held] != header[.held] && line[.held] != "-"
            let below = isBelow ? "  \(line[.held] ?? "")\n" : ""
            guard line[.address] != nil || !isBelow else { return below }
            return Self.line(line, columns, widths, isColored: isColored && line[.state] != header[.state]) + below
        }.joined()
    }

    private static func lines(_ row: GPUStatus, _ gpu: PCIFunction, name: String) -> [[Column: String]] {
        let held = row.plan.conflicts.map { "BAR \($0.bar): \($0.entry.name)" }
        let first: [Column: String] = [
            .address: gpu.address.description, .name: name, .class: gpu.pciClass.label, .boot: row.boot,
            .driver: gpu.driver ?? "-", .group: gpu.iommuGroup.map { "\($0.number)" } ?? "-",
            .state: row.state.rawValue, .held: held.first ?? "-",
        ]
        return [first] + held.dropFirst().map { [.held: $0] }
    }

    private static func width(of column: Column, in table: [[Column: String]]) -> Int {
        max(column.rawValue.count, table.map { $0[column]?.count ?? 0 }.max() ?? 0)
    }

    private static func line(
        _ cells: [Column: String], _ columns: [Column], _ widths: [Int], isColored: Bool
    ) -> String {
        var line = ""
        for (column, width) in zip(columns, widths) {
            let cell = cells[column] ?? ""
            line += isColored && column == .state ? color(cell) : cell
            line += String(repeating: " ", count: width - cell.count) + gap
        }
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }

    /// Green where a guest can have the card, red where it cannot, yellow where the firmware's framebuffer is in the way
    /// (ECMA-48 SGR).
    private static func color(_ state: String) -> String {
        let code: String? =
            switch GPUStatus.State(rawValue: state) {
            case .claimed, .vfio: "32"
            case .blocked, .dead: "31"
            case .framebuffer, .unknown: "33"
            case .host, .free, nil: nil
            }
        return code.map { "\u{1b}[\($0)m\(state)\u{1b}[0m" } ?? state
    }
}
