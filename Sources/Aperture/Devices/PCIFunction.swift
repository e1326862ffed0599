/// What sysfs says of one PCI function (`/sys/bus/pci/devices/ADDRESS`) at the moment of the snapshot.
package struct PCIFunction: Hashable, Sendable {
    package var address: PCIAddress
    package var pciClass: PCIClass
    package var vendor: UInt16
    package var device: UInt16
    /// The bound driver (`driver` link), or `nil`.
    package var driver: String?
    /// `driver_override`, or `nil` where the kernel prints `(null)`.
    package var driverOverride: String?
    /// Whether `driver_override` was set by this package's udev rule, when nobody had set one before.
    package var isOverriddenByRule = false
    /// `boot_vga`; the kernel only shows it for class 0x0300 (`pci_dev_attrs_are_visible()`).
    package var bootVGA: Bool?
    /// `nil` without an IOMMU.
    package var iommuGroup: IOMMUGroup?
    /// The BARs and the ROM; empty for a device that decodes nothing.
    package var resources: ResourceTable
    /// Whether the device answers to its memory BARs (PCI_COMMAND_MEMORY); `nil` where `config` cannot be read.
    package var decodesMemory: Bool?
    /// The device nodes that its driver made: `/dev/dri/card0`, `/dev/snd/controlC1`, `/dev/vfio/3`, …
    package var nodes: [String] = []

    package init(
        address: PCIAddress, pciClass: PCIClass, vendor: UInt16, device: UInt16, driver: String?,
        driverOverride: String?, bootVGA: Bool?, iommuGroup: IOMMUGroup?, resources: ResourceTable
    ) {
        self.address = address
        self.pciClass = pciClass
        self.vendor = vendor
        self.device = device
        self.driver = driver
        self.driverOverride = driverOverride
        self.bootVGA = bootVGA
        self.iommuGroup = iommuGroup
        self.resources = resources
    }

    /// The aperture of the GPU: its assigned memory BARs.
    package var memoryBARs: [BaseAddressRegister] { resources.memoryBARs }

    /// The memory BAR that shares a byte with the range, lowest index first.
    package func memoryBAR(overlapping range: AddressRange) -> BaseAddressRegister? {
        memoryBARs.first { $0.range.overlaps(range) }
    }
}
