package import Aperture

/// A function whose BARs are to be proven.
package struct ProofTarget: Hashable, Sendable {
    /// The function's PCI address.
    package let address: PCIAddress
    /// The number of its IOMMU group; `nil` when it is not known or there is none.
    package let group: Int?
    /// The memory BARs that the function is known to have, with their sizes in bytes; `nil` when the set is not known.
    /// VFIO cannot tell: to VFIO a BAR without room looks like a BAR that the card does not have.
    package let bars: [Int: UInt64]?
    /// Whether it is a virtual function. The physical function defines its BARs, and its own registers read zero.
    package let isVirtual: Bool

    /// - Parameters:
    ///   - group: The IOMMU group's number.
    ///   - bars: Sizes in bytes by BAR number, 0 to 5.
    package init(address: PCIAddress, group: Int?, bars: [Int: UInt64]?, isVirtual: Bool = false) {
        self.isVirtual = isVirtual
        self.address = address
        self.group = group
        self.bars = bars
    }
}
