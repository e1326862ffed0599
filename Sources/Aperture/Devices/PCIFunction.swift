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

/// A PCI class code: base class, subclass and programming interface, 24 bits (PCI Code and ID Assignment, chapter 1),
/// as sysfs `class` prints it: `0x030000`.
package struct PCIClass: Hashable, Sendable, RawRepresentable {
    /// The 24 bits, base class first.
    package let rawValue: UInt32

    /// Keeps the lower 24 bits.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xff_ffff
    }

    /// The base class: 0x03 is a display controller.
    package var base: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16) }

    /// Base class and subclass: 0x0300 VGA compatible, 0x0302 3D controller, 0x0380 other display controller.
    package var code: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 8) }

    /// Whether this is a display controller, of any subclass.
    package var isDisplay: Bool { base == 0x03 }

    /// Whether people hand such a device to guests as a GPU: every display device, processing accelerators (0x1200,
    /// such as AMD's MI300X) and co-processors (0x0b40). The last two draw nothing.
    package var isGPU: Bool { isDisplay || code == 0x1200 || code == 0x0b40 }

    /// Whether this is high-definition audio: a GPU has such a function for the sound of its display connectors.
    package var isHDAudio: Bool { code == 0x0403 }

    /// Whether vfio-pci itself evicts framebuffers for this class (`vfio_pci_is_vga()`, kernel 6.0 and later): 0x0300
    /// alone.
    package var isVGA: Bool { code == 0x0300 }

    /// A short name of the code for tables; its four digits where it has none.
    package var label: String {
        switch code {
        case 0x0300: "VGA"
        case 0x0301: "XGA"
        case 0x0302: "3D"
        case 0x0380: "display"
        case 0x0403: "audio"
        case 0x0b40: "co-processor"
        case 0x0c03: "USB"
        case 0x1200: "accelerator"
        default: Hex(code, digits: 4, prefix: "").description
        }
    }
}

extension PCIClass: CustomStringConvertible {
    package var description: String { Hex(rawValue, digits: 6).description }
}

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
