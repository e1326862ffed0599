package import Aperture
package import KernelFiles
internal import SystemPackage

/// Finds the GPUs whose units a domain needs.
package struct DomainCards {
    private let tree: FileTree

    /// The functions of the machine whose `/sys` is below this root.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// The GPUs to claim for these functions, in the order of their addresses, each with the other GPUs of its slot that
    /// one claim takes along.
    ///
    /// A function that is no GPU counts where it shares its slot and its IOMMU group with one, as its audio does: a guest
    /// cannot have it without the GPU. In a group of its own, as APUs have USB controllers beside the GPU, it can. A
    /// function that does not exist is skipped, as libvirt says so itself.
    package func cards(for functions: [PCIAddress]) throws(FileTreeError) -> [Card] {
        var cards: [Card] = []
        for function in functions.sorted() {
            guard let isGPU = try isGPU(function) else { continue }
            let siblings = try siblings(of: function)
            guard isGPU || !siblings.isEmpty else { continue }
            let all = (siblings + (isGPU ? [function] : [])).sorted()
            if let known = cards.firstIndex(where: { $0.all == all }) {
                // Of two GPUs, the domain's own one gives the unit its name.
                if isGPU, !functions.contains(cards[known].address) { cards[known] = Card(address: function, all: all) }
            } else {
                cards.append(Card(address: isGPU ? function : all[0], all: all))
            }
        }
        return cards
    }

    /// The other GPUs of the function's slot in its IOMMU group; none for a function without a group.
    private func siblings(of function: PCIAddress) throws(FileTreeError) -> [PCIAddress] {
        guard let group = try group(of: function) else { return [] }
        var siblings: [PCIAddress] = []
        for number in UInt8(0)..<8 where number != function.function {
            guard
                let other = PCIAddress(
                    domain: function.domain, bus: function.bus, device: function.device, function: number),
                try isGPU(other) == true, try self.group(of: other) == group
            else { continue }
            siblings.append(other)
        }
        return siblings
    }

    /// `nil` when there is no such function.
    private func isGPU(_ function: PCIAddress) throws(FileTreeError) -> Bool? {
        let path = "\(Self.folder(function))/class"
        guard let text = try tree.textIfPresent(path) else { return nil }
        guard text.hasPrefix("0x"), let code = UInt32(text.dropFirst(2), radix: 16) else {
            throw FileTreeError(.read, path, .invalidArgument)
        }
        return PCIClass(rawValue: code).isGPU
    }

    private func group(of function: PCIAddress) throws(FileTreeError) -> String? {
        try tree.linkName("\(Self.folder(function))/iommu_group")
    }

    private static func folder(_ function: PCIAddress) -> String { "/sys/bus/pci/devices/\(function)" }
}

/// A GPU whose unit is started for a domain.
package struct Card: Hashable, Sendable {
    /// The unit's instance name.
    package var address: PCIAddress
    /// The GPUs of its slot in its IOMMU group, itself among them, in the order of their addresses. The unit of any of
    /// them claims all.
    package var all: [PCIAddress]

    /// A card of one or more functions.
    package init(address: PCIAddress, all: [PCIAddress]) {
        self.address = address
        self.all = all
    }
}
