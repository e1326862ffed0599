/// What sysfs says of one PCI function (`/sys/bus/pci/devices/ADDRESS`) at the moment of the snapshot.
package struct PCIFunction: Hashable, Sendable {
    package var address: PCIAddress
    package var pciClass: PCIClass
    package var vendor: UInt16
    package var device: UInt16
    /// `subsystem_vendor` and `subsystem_device`; `nil` where they could not be read.
    package var subsystemVendor: UInt16?
    package var subsystemDevice: UInt16?
    /// The bound driver (`driver` link), or `nil`.
    package var driver: String?
    /// Whether the bound driver made a VFIO device of the function (`vfio-dev/`, since 6.1), or its module is one of
    /// VFIO's (its aliases): evidence beside the driver's name.
    package var hasVFIODevice = false
    /// `driver_override`, or `nil` where the kernel prints `(null)`.
    package var driverOverride: String?
    /// Whether `driver_override` was set by this package's udev rule, when nobody had set one before.
    package var isOverriddenByRule = false
    /// The VFIO driver that this package's udev rule found for the function, outside of the unit's sandbox.
    package var driverFoundByRule: String?
    /// How many virtual functions it has enabled (`sriov_numvfs`); 0 for one without SR-IOV.
    package var enabledVirtualFunctions = 0
    /// Whether its header is a bridge's, whatever its class (`pci_is_bridge()`).
    package var isBridge = false
    /// `boot_vga`; the kernel only shows it for class 0x0300 (`pci_dev_attrs_are_visible()`).
    package var bootVGA: Bool?
    /// `nil` without an IOMMU.
    package var iommuGroup: IOMMUGroup?
    /// The BARs and the ROM; empty for a device that decodes nothing.
    package var resources: ResourceTable
    /// The first 64 bytes of its configuration; `nil` where they cannot be read.
    package var header: ConfigurationHeader?
    /// The device nodes that its driver made: `/dev/dri/card0`, `/dev/snd/controlC1`, `/dev/vfio/3`, …
    package var nodes: [String] = []
    /// The function that this one is a virtual function of (`physfn`), or `nil`.
    package var physicalFunction: PCIAddress?

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

    /// Whether it is handed to user space: bound to vfio-pci or to one of VFIO's variants.
    package var isOnVFIO: Bool {
        guard let driver else { return false }
        return hasVFIODevice || VFIODrivers.isNamed(driver)
    }

    /// Whether the device answers to its memory BARs (PCI_COMMAND_MEMORY); `nil` where `config` cannot be read.
    package var decodesMemory: Bool? { header?.decodesMemory }

    /// Whether nothing answers at its address any more; false where that is not known.
    package var isDead: Bool { header?.isAllOnes ?? false }

    /// The memory BARs that it is known to have and the kernel has no address for, by number. A virtual function's own
    /// registers read zero: its BARs come from the physical function's.
    package var unassignedBARs: [Int] {
        let registers = physicalFunction == nil && !isDead ? header?.memoryBARs ?? [] : []
        // The register after a 64-bit BAR's holds its upper half.
        let upperHalves = memoryBARs.filter(\.is64Bit).map { $0.index + 1 }
        let assigned = Set(memoryBARs.map(\.index)).union(resources.otherBARs).union(upperHalves)
        return Set(resources.unassignedBARs).union(registers).subtracting(assigned).sorted()
    }

    /// The aperture of the GPU: its assigned memory BARs.
    package var memoryBARs: [BaseAddressRegister] { resources.memoryBARs }

    /// The memory BAR that shares a byte with the range, lowest index first.
    package func memoryBAR(overlapping range: AddressRange) -> BaseAddressRegister? {
        memoryBARs.first { $0.range.overlaps(range) }
    }
}
