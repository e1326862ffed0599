internal import Aperture
internal import PCIAccess

/// The table that `status` prints: columns as wide as their widest cell, one line per GPU and per conflict.
struct StatusTable {
    let text: String

    private static let header = ["ADDRESS", "NAME", "CLASS", "BOOT", "DRIVER", "GROUP", "STATE", "HELD"]
    /// Names from pci.ids can be a line long.
    private static let longestName = 44

    init(_ rows: [GPUStatus]) {
        let names = DeviceNames()
        var lines = [Self.header]
        for row in rows {
            guard let gpu = row.plan.gpu else { continue }
            let owner = gpu.physicalFunction.map { "VF of \($0), " } ?? ""
            let name = owner + names.name(vendor: gpu.vendor, device: gpu.device)
            let held = row.plan.conflicts.map { "BAR \($0.bar): \($0.entry.name)" }
            lines.append([
                gpu.address.description, Self.shorten(name), gpu.pciClass.label, row.boot, gpu.driver ?? "-",
                gpu.iommuGroup.map { "\($0.number)" } ?? "-", row.state.rawValue, held.first ?? "-",
            ])
            lines += held.dropFirst().map { ["", "", "", "", "", "", "", $0] }
        }
        let widths = Self.header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        text = lines.map { Self.line($0, widths) }.joined()
    }

    private static func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = zip(cells, widths).map { cell, width in
            cell + String(repeating: " ", count: width - cell.count)
        }.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }

    private static func shorten(_ name: String) -> String {
        name.count > longestName ? name.prefix(longestName - 1) + "…" : name
    }
}
