package import Aperture

/// A function to be proven.
package struct ProofTarget: Hashable, Sendable {
    package let address: PCIAddress
    /// Its IOMMU group; `nil` when that is not known, or there is none.
    package let group: Int?
    /// The memory BARs that it is known to have, with their sizes in bytes; `nil` when the set is not known. VFIO cannot
    /// tell: a BAR that found no room looks to it as one that the card does not have.
    package let bars: [Int: UInt64]?
    /// Whether it is a virtual function: its BARs are the physical one's to say, and its registers read zero.
    package let isVirtual: Bool

    package init(address: PCIAddress, group: Int?, bars: [Int: UInt64]?, isVirtual: Bool = false) {
        self.isVirtual = isVirtual
        self.address = address
        self.group = group
        self.bars = bars
    }
}
