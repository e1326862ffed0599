/// The kernel's files that a plan names, each in one place, as absolute paths.
package enum KernelPath {
    package static let iomem = "/proc/iomem"
    package static let osRelease = "/proc/sys/kernel/osrelease"
    package static let bootParameters = "/sys/kernel/boot_params/data"
    package static let pciDevices = "/sys/bus/pci/devices"
    package static let pciDrivers = "/sys/bus/pci/drivers"
    package static let driversProbe = "/sys/bus/pci/drivers_probe"
    package static let platformDevices = "/sys/bus/platform/devices"
    package static let platformDrivers = "/sys/bus/platform/drivers"
    package static let modules = "/sys/module"
    package static let graphics = "/sys/class/graphics"
    package static let consoles = "/sys/class/vtconsole"
    package static let iommuGroups = "/sys/kernel/iommu_groups"
    package static let vfioDriver = "vfio-pci"
    package static let modprobe = "/sbin/modprobe"

    package static func device(_ address: PCIAddress) -> String { "\(pciDevices)/\(address)" }

    package static func driverOverride(_ address: PCIAddress) -> String { "\(device(address))/driver_override" }

    package static func remove(_ address: PCIAddress) -> String { "\(device(address))/remove" }

    /// The file that rescans the GPU's own bus alone, below the bridge (`bus_rescan_store()`).
    package static func busRescan(_ address: PCIAddress) -> String {
        let domain = Hex(address.domain, digits: 4, prefix: "")
        return "/sys/class/pci_bus/\(domain):\(Hex(address.bus, digits: 2, prefix: ""))/rescan"
    }

    package static func bind(driver: String) -> String { "\(pciDrivers)/\(driver)/bind" }

    package static func unbind(driver: String) -> String { "\(pciDrivers)/\(driver)/unbind" }

    package static func platformDevice(_ name: String) -> String { "\(platformDevices)/\(name)" }

    package static func bind(platformDriver: String) -> String { "\(platformDrivers)/\(platformDriver)/bind" }

    package static func unbind(platformDriver: String) -> String { "\(platformDrivers)/\(platformDriver)/unbind" }

    package static func module(_ name: String) -> String { "/sys/module/\(name)" }

    package static func consoleBind(_ number: Int) -> String { "\(consoles)/vtcon\(number)/bind" }

    /// The number of the console whose `bind` the path is; `nil` for another path.
    package static func console(ofBind path: String) -> Int? {
        let prefix = "\(consoles)/vtcon"
        guard path.hasPrefix(prefix), path.hasSuffix("/bind") else { return nil }
        return Int(path.dropFirst(prefix.count).dropLast("/bind".count))
    }
}
