/// The kernel's files that a plan names, each in one place, as absolute paths.
package enum KernelPath {
    /// The tree of physical address ranges.
    package static let iomem = "/proc/iomem"
    /// The kernel's version, `6.1.0-50-amd64`.
    package static let osRelease = "/proc/sys/kernel/osrelease"
    /// The zero page of x86, which begins with `struct screen_info`.
    package static let bootParameters = "/sys/kernel/boot_params/data"
    /// A link per PCI function, by address.
    package static let pciDevices = "/sys/bus/pci/devices"
    /// A folder per registered PCI driver.
    package static let pciDrivers = "/sys/bus/pci/drivers"
    /// Takes the address of a function whose driver the kernel is to look for.
    package static let driversProbe = "/sys/bus/pci/drivers_probe"
    /// A link per platform device, by name.
    package static let platformDevices = "/sys/bus/platform/devices"
    /// A folder per registered platform driver.
    package static let platformDrivers = "/sys/bus/platform/drivers"
    /// A folder per loaded module.
    package static let modules = "/sys/module"
    /// A link per framebuffer, `fbN`.
    package static let graphics = "/sys/class/graphics"
    /// A link per console driver, `vtconN`.
    package static let consoles = "/sys/class/vtconsole"
    /// A folder per IOMMU group, by number.
    package static let iommuGroups = "/sys/kernel/iommu_groups"
    /// The override that no platform driver has as its name: it keeps framebuffer drivers off a platform framebuffer.
    package static let vfioDriver = "vfio-pci"
    /// The program that loads modules.
    package static let modprobe = "/sbin/modprobe"
    /// What stops and starts services.
    package static let systemctl = "/usr/bin/systemctl"

    /// The function's folder.
    package static func device(_ address: PCIAddress) -> String { "\(pciDevices)/\(address)" }

    /// The file that names the only driver which may bind the function.
    package static func driverOverride(_ address: PCIAddress) -> String { "\(device(address))/driver_override" }

    /// The file that removes the function from the bus.
    package static func remove(_ address: PCIAddress) -> String { "\(device(address))/remove" }

    /// The file that rescans only the function's own bus, below the bridge (`bus_rescan_store()`).
    package static func busRescan(_ address: PCIAddress) -> String {
        let domain = Hex(address.domain, digits: 4, prefix: "")
        return "/sys/class/pci_bus/\(domain):\(Hex(address.bus, digits: 2, prefix: ""))/rescan"
    }

    /// The file of a PCI driver that binds a function to it.
    package static func bind(driver: String) -> String { "\(pciDrivers)/\(driver)/bind" }

    /// The file of a PCI driver that unbinds a function from it.
    package static func unbind(driver: String) -> String { "\(pciDrivers)/\(driver)/unbind" }

    /// The platform device's folder.
    package static func platformDevice(_ name: String) -> String { "\(platformDevices)/\(name)" }

    /// The file of a platform driver that binds a device to it.
    package static func bind(platformDriver: String) -> String { "\(platformDrivers)/\(platformDriver)/bind" }

    /// The file of a platform driver that unbinds a device from it.
    package static func unbind(platformDriver: String) -> String { "\(platformDrivers)/\(platformDriver)/unbind" }

    /// The folder of a loaded module.
    package static func module(_ name: String) -> String { "/sys/module/\(name)" }

    /// The file that binds and unbinds console driver `vtconN`.
    package static func consoleBind(_ number: Int) -> String { "\(consoles)/vtcon\(number)/bind" }

    /// The number of the console whose `bind` the path is; `nil` for another path.
    package static func console(ofBind path: String) -> Int? {
        let prefix = "\(consoles)/vtcon"
        guard path.hasPrefix(prefix), path.hasSuffix("/bind") else { return nil }
        return Int(path.dropFirst(prefix.count).dropLast("/bind".count))
    }
}
