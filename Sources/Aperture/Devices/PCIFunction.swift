/// What sysfs says about one PCI function (`/sys/bus/pci/devices/ADDRESS`) at the time of the snapshot.
package struct PCIFunction: Hashable, Sendable {
    /// The name of its directory in sysfs.
    package var address: PCIAddress
    /// `class`.
    package var pciClass: PCIClass
    /// `vendor`, the vendor ID.
    package var vendor: UInt16
    /// `device`, the device ID.
    package var device: UInt16
    /// `subsystem_vendor`; `nil` where it could not be read.
    package var subsystemVendor: UInt16?
    /// `subsystem_device`; `nil` where it could not be read.
    package var subsystemDevice: UInt16?
    /// The bound driver (`driver` link), or `nil`.
    package var driver: String?
    /// Whether the bound driver made a VFIO device of the function (`vfio-dev/`, since 6.1), or modules.alias lists its
    /// module as VFIO's: evidence beside the driver's name.
    package var hasVFIODevice = false
    /// `driver_override`, or `nil` where the kernel prints `(null)`.
    package var driverOverride: String?
    /// Whether this package's udev rule set `driver_override`, and nobody had set one before.
    package var isOverriddenByRule = false
    /// The VFIO driver that this package's udev rule found for the function: the rule runs outside of the unit's
    /// sandbox.
    package var driverFoundByRule: String?
    /// How many virtual functions it has enabled (`sriov_numvfs`); 0 for a function without SR-IOV.
    package var enabledVirtualFunctions = 0
    /// Whether its header type is a bridge's, whatever its class (`pci_is_bridge()`).
    package var isBridge = false
    /// `boot_vga`; `nil` for a class other than 0x0300, where the kernel does not show it
    /// (`pci_dev_attrs_are_visible()`).
    package var bootVGA: Bool?
    /// The IOMMU group (`iommu_group` link); `nil` without an IOMMU.
    package var iommuGroup: IOMMUGroup?
    /// The BARs and the ROM (`resource`); empty for a device that decodes nothing.
    package var resources: ResourceTable
    /// The first 64 bytes of its configuration space (`config`); `nil` where they cannot be read.
    package var header: ConfigurationHeader?
    /// The device nodes of its driver: `/dev/dri/card0`, `/dev/snd/controlC1`, `/dev/vfio/3`, …
    package var nodes: [String] = []
    /// The physical function of a virtual one (`physfn`); `nil` for any other function.
    package var physicalFunction: PCIAddress?

    /// A function with the facts that every function has; the others start as false, zero, empty or `nil`.
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

    /// Whether the function is handed to user space: bound to vfio-pci or to one of its variants.
    package var isOnVFIO: Bool {
        guard let driver else { return false }
        return hasVFIODevice || VFIODrivers.isNamed(driver)
    }

    /// Whether the device answers to its memory BARs (PCI_COMMAND_MEMORY); `nil` where `config` cannot be read.
    package var decodesMemory: Bool? { header?.decodesMemory }

    /// Whether nothing answers at its address any more: its configuration space reads all ones. False where that is not
    /// known.
    package var isDead: Bool { header?.isAllOnes ?? false }

    /// The memory BARs, by number, that the function has and that the kernel has no address for. A virtual function's
    /// own registers read zero: its BARs come from the physical function's.
    package var unassignedBARs: [Int] {
        let registers = physicalFunction == nil && !isDead ? header?.memoryBARs ?? [] : []
        // The register after a 64-bit BAR's holds its upper half.
        let upperHalves = memoryBARs.filter(\.is64Bit).map { $0.index + 1 }
        let assigned = Set(memoryBARs.map(\.index)).union(resources.otherBARs).union(upperHalves)
        return Set(resources.unassignedBARs).union(registers).subtracting(assigned).sorted()
    }

    /// The aperture of the GPU: its assigned memory BARs.
    package var memoryBARs: [BaseAddressRegister] { resources.memoryBARs }

    /// The first memory BAR that shares a byte with the range, or `nil`.
    package func memoryBAR(overlapping range: AddressRange) -> BaseAddressRegister? {
        memoryBARs.first { $0.range.overlaps(range) }
    }
}
