/// An IOMMU group (`/sys/kernel/iommu_groups/NUMBER`): the smallest set of devices that can be handed to a guest.
package struct IOMMUGroup: Hashable, Sendable {
    /// One device of the group.
    package struct Member: Hashable, Sendable {
        /// The kernel's name of the device: a PCI address, or a name of another bus.
        package var name: String
        /// The bound driver, or `nil`.
        package var driver: String?
        /// The PCI class; `nil` for a device that is not PCI.
        package var pciClass: PCIClass?
        /// Whether its header type is a bridge's, whatever its class (`pci_is_bridge()`).
        package var isBridge = false
        /// Whether its driver made a VFIO device of it (`vfio-dev/`).
        package var hasVFIODevice = false

        /// A member that is neither a bridge nor a VFIO device.
        package init(name: String, driver: String?, pciClass: PCIClass?) {
            self.name = name
            self.driver = driver
            self.pciClass = pciClass
        }
    }

    /// The name of its directory in sysfs.
    package var number: Int
    /// Whether VFIO made the group up where there is no IOMMU (`vfio_noiommu_group_alloc()`, named `vfio-noiommu`):
    /// nothing isolates its device.
    package var isNoIOMMU: Bool
    /// Every device of the group.
    package var members: [Member]

    /// A group of these members; one that isolates nothing where `isNoIOMMU`.
    package init(number: Int, isNoIOMMU: Bool = false, members: [Member]) {
        self.number = number
        self.isNoIOMMU = isNoIOMMU
        self.members = members
    }
}
