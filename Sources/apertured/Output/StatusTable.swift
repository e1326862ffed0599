internal import Aperture
internal import PCIAccess

/// The table that `status` prints: one line per GPU, and one per further conflict.
struct StatusTable {
    let text: String

    private enum Column: String, CaseIterable {
        case address, name, `class`, boot, driver, group, state, details
    }

    /// What a narrow terminal lacks first.
    private static let leastNeeded: [Column] = [.class, .group, .boot]
    private static let gap = "  "
    /// The longest name in a pipe, where the columns do not depend on a terminal.
    private static let longestName = 44
    private static let shortestName = 12
    /// A name that tells the cards apart, for which other columns go.
    private static let usefulName = 26
    /// As long as `BAR 0: efi-framebuffer`: columns go before such details do.
    private static let shortDetail = 24

    /// - Parameters:
    ///   - width: The longest line, in columns; `nil` for a pipe. Addresses, drivers and states are never cut, so that a
    ///     very narrow terminal breaks the lines.
    ///   - isColored: Whether the states have colours.
    init(_ rows: [GPUStatus], width: Int?, isColored: Bool) {
        let names = DeviceNames()
        var cards: [(name: DeviceName, owner: String, row: GPUStatus, gpu: PCIFunction)] = []
        let addresses = Set(rows.compactMap { $0.plan.gpu?.address })
        for row in Self.sorted(rows, addresses) {
            guard let gpu = row.plan.gpu else { continue }
            // Below its physical function a virtual one is indented.
            let owner = gpu.physicalFunction.map { addresses.contains($0) ? "" : "VF of \($0), " }
            cards.append((names.parts(vendor: gpu.vendor, device: gpu.device), owner ?? "", row, gpu))
        }
        var columns = Column.allCases
        // The other columns' widths are those of their cells; the name gets what is left.
        func cells(_ nameWidth: Int) -> [[Column: String]] {
            cards.flatMap { card in
                Self.lines(
                    card.row, card.gpu, name: card.owner + card.name.fitting(nameWidth - card.owner.count),
                    isIndented: card.owner.isEmpty && card.gpu.physicalFunction != nil)
            }
        }
        let narrow = cells(Self.shortestName)
        func room(_ columns: [Column]) -> Int? {
            guard let width else { return Self.longestName }
            let others = columns.filter { $0 != .name }.map { Self.width(of: $0, in: narrow) }
            return width - others.reduce(0, +) - Self.gap.count * (columns.count - 1)
        }
        // A sentence needs a line of its own more than the other columns need their place.
        if let room = room(columns), room < Self.usefulName, Self.width(of: .details, in: narrow) > Self.shortDetail {
            columns.removeAll { $0 == .details }
        }
        for column in Self.leastNeeded where room(columns).map({ $0 < Self.usefulName }) == true {
            columns.removeAll { $0 == column }
        }
        if let room = room(columns), room < Self.shortestName { columns.removeAll { $0 == .details } }
        let table = cells(max(Self.shortestName, min(room(columns) ?? 0, 1000)))
        let widths = columns.map { Self.width(of: $0, in: table) }
        let header = Dictionary(uniqueKeysWithValues: Column.allCases.map { ($0, $0.rawValue.uppercased()) })
        text = ([header] + table).map { line in
            // Details stand below a card's line where there is no room beside it.
            let isBelow = !columns.contains(.details) && line[.details] != header[.details] && line[.details] != "-"
            let below = isBelow ? Self.below(line[.details] ?? "", width ?? .max) : ""
            guard line[.address] != nil || !isBelow else { return below }
            return Self.line(line, columns, widths, isColored: isColored && line[.state] != header[.state]) + below
        }.joined()
    }

    /// In the order of addresses, with a virtual function after its physical one.
    /// - Parameter addresses: All rows'.
    private static func sorted(_ rows: [GPUStatus], _ addresses: Set<PCIAddress>) -> [GPUStatus] {
        func place(_ row: GPUStatus) -> (PCIAddress, Int, PCIAddress)? {
            guard let gpu = row.plan.gpu else { return nil }
            guard let physical = gpu.physicalFunction, addresses.contains(physical) else {
                return (gpu.address, 0, gpu.address)
            }
            return (physical, 1, gpu.address)
        }
        return rows.compactMap { row in place(row).map { (place: $0, row: row) } }
            .sorted { $0.place < $1.place }.map(\.row)
    }

    private static func lines(
        _ row: GPUStatus, _ gpu: PCIFunction, name: String, isIndented: Bool
    ) -> [[Column: String]] {
        let details = row.details
        let first: [Column: String] = [
            .address: (isIndented ? "  " : "") + gpu.address.description, .name: name, .class: gpu.pciClass.label,
            .boot: row.boot,
            .driver: gpu.driver ?? "-", .group: gpu.iommuGroup.map { "\($0.number)" } ?? "-",
            .state: row.state.rawValue, .details: details.first ?? "-",
        ]
        return [first] + details.dropFirst().map { [.details: $0] }
    }

    /// A detail below its card. A container's scope is longer than a line, and cut.
    private static func below(_ text: String, _ width: Int) -> String {
        let words = text.split(separator: " ").flatMap { TextWrap.pieces(of: $0, width - 4) }
        return TextWrap.lines(words, width, first: "  ", rest: "    ").map { $0 + "\n" }.joined()
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

    /// Green where a guest can have the card, red where it cannot, yellow where the firmware's framebuffer is in the way.
    private static func color(_ state: String) -> String {
        let code: String? =
            switch GPUStatus.State(rawValue: state) {
            case .claimed, .vfio, .inUse: "32"
            case .blocked, .dead: "31"
            case .framebuffer, .unknown: "33"
            case .host, .free, nil: nil
            }
        return Terminal.colored(state, code)
    }
}
