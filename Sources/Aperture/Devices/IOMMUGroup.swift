/// An IOMMU group (`/sys/kernel/iommu_groups/NUMBER`): the least that can be handed to a guest.
package struct IOMMUGroup: Hashable, Sendable {
    /// One device of the group.
    package struct Member: Hashable, Sendable {
        /// The kernel's name of it: a PCI address, or another bus's name.
        package var name: String
        package var driver: String?
        /// The PCI class; `nil` for a device that is not PCI.
        package var pciClass: PCIClass?
        /// Whether its header is a bridge's, whatever its class (`pci_is_bridge()`).
        package var isBridge = false
        /// Whether its driver made a VFIO device of it (`vfio-dev/`).
        package var hasVFIODevice = false

        package init(name: String, driver: String?, pciClass: PCIClass?) {
            self.name = name
            self.driver = driver
            self.pciClass = pciClass
        }
    }

    package var number: Int
    /// True for a group that VFIO made up where there is no IOMMU (`vfio_noiommu_group_alloc()`, named
    /// `vfio-noiommu`): nothing isolates such a device.
    package var isNoIOMMU: Bool
    package var members: [Member]

    package init(number: Int, isNoIOMMU: Bool = false, members: [Member]) {
        self.number = number
        self.isNoIOMMU = isNoIOMMU
        self.members = members
    }
}
