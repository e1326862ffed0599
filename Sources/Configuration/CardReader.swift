internal import Aperture
package import KernelFiles

/// Reads the facts of all GPUs from sysfs.
package struct CardReader {
    private let tree: FileTree

    /// - Parameter tree: The root that holds `sys`.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Reads every GPU that has a readable class.
    /// - Throws: When the devices cannot be listed.
    package func read() throws(FileTreeError) -> [CardFacts] {
        var cards: [CardFacts] = []
        for address in try tree.list(KernelPath.pciDevices).compactMap({ PCIAddress($0) }) {
            let folder = KernelPath.device(address)
            guard let code: UInt32 = number("\(folder)/class"), PCIClass(rawValue: code).isGPU else { continue }
            cards.append(
                CardFacts(
                    address: address, id: identifier("\(folder)/vendor", "\(folder)/device"),
                    subsystem: identifier("\(folder)/subsystem_vendor", "\(folder)/subsystem_device"),
                    path: path(folder), isBootVGA: text("\(folder)/boot_vga") == "1"))
        }
        return cards
    }

    private func identifier(_ vendor: String, _ device: String) -> PCIIdentifier? {
        guard let vendor: UInt16 = number(vendor), let device: UInt16 = number(device) else { return nil }
        return PCIIdentifier(vendor: vendor, device: device)
    }

    /// The syspath below `/sys/devices`, to which the link in `/sys/bus/pci/devices` leads.
    private func path(_ folder: String) -> String? {
        do {
            let parts = try tree.linkTarget(folder)?.split(separator: "/") ?? []
            guard let devices = parts.firstIndex(of: "devices") else { return nil }
            return parts[(devices + 1)...].joined(separator: "/")
        } catch {
            return nil
        }
    }

    private func number<Number: FixedWidthInteger>(_ path: String) -> Number? {
        guard let text = text(path), text.hasPrefix("0x") else { return nil }
        return Number(text.dropFirst(2), radix: 16)
    }

    private func text(_ path: String) -> String? {
        do {
            return try tree.textIfPresent(path)
        } catch {
            // No section matches a card that goes while it is read.
            return nil
        }
    }
}
