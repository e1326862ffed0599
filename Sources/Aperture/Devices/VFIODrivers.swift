/// VFIO's drivers for PCI functions: vfio-pci, and the variants that some devices need (drivers/vfio/pci/*).
///
/// Most variants' drivers are called as their modules, with underscores (`KBUILD_MODNAME`: `nvgrace_gpu_vfio_pci`), and some
/// with hyphens (`xe-vfio-pci` of the module xe_vfio_pci). A module that is loaded tells (`/sys/module/MODULE/drivers`).
package struct VFIODrivers: Hashable, Sendable {
    /// The driver that takes every function.
    package static let generic = "vfio-pci"

    /// A line `alias vfio_pci:v…d…sv…sd…bc…sc…i… MODULE` of modules.alias: which functions a driver is made for
    /// (`do_pci_entry()` of scripts/mod/file2alias.c). A field that is `nil` takes every value.
    package struct Alias: Hashable, Sendable {
        package var vendor: UInt32?
        package var device: UInt32?
        package var subsystemVendor: UInt32?
        package var subsystemDevice: UInt32?
        package var baseClass: UInt32?
        package var subclass: UInt32?
        package var interface: UInt32?
        package var module: String
        /// The name under `/sys/bus/pci/drivers`; a guess until the module is loaded.
        package var driver: String

        /// Reads the line's second and third word; `nil` for one of another form.
        package init?(pattern: some StringProtocol, module: some StringProtocol) {
            let prefix = "vfio_pci:"
            guard pattern.hasPrefix(prefix), !module.isEmpty else { return nil }
            self.module = String(module)
            driver = VFIODrivers.driver(ofModule: self.module)
            var rest = pattern.utf8.dropFirst(prefix.utf8.count)
            func field(_ name: String) -> UInt32?? {
                guard rest.starts(with: name.utf8) else { return nil }
                rest = rest.dropFirst(name.utf8.count)
                if rest.first == UInt8(ascii: "*") {
                    rest = rest.dropFirst()
                    return .some(nil)
                }
                var value: UInt32 = 0
                var digits = 0
                // The next field's name begins with a small letter, the digits A to F are capital.
                while digits < 8, let byte = rest.first, byte < UInt8(ascii: "a"), let digit = Hex.digit(byte) {
                    value = value << 4 | UInt32(digit)
                    digits += 1
                    rest = rest.dropFirst()
                }
                return digits == 0 ? nil : .some(value)
            }
            guard
                let vendor = field("v"), let device = field("d"), let subsystemVendor = field("sv"),
                let subsystemDevice = field("sd"), let baseClass = field("bc"), let subclass = field("sc"),
                let interface = field("i"), rest.isEmpty
            else { return nil }
            self.vendor = vendor
            self.device = device
            self.subsystemVendor = subsystemVendor
            self.subsystemDevice = subsystemDevice
            self.baseClass = baseClass
            self.subclass = subclass
            self.interface = interface
        }

        /// Whether the driver is made for the function. A subsystem that could not be read matches no alias that asks for
        /// one.
        func matches(_ function: PCIFunction) -> Bool {
            let raw = function.pciClass.rawValue
            let pairs: [(UInt32?, UInt32?)] = [
                (vendor, UInt32(function.vendor)), (device, UInt32(function.device)),
                (subsystemVendor, function.subsystemVendor.map(UInt32.init)),
                (subsystemDevice, function.subsystemDevice.map(UInt32.init)),
                (baseClass, raw >> 16), (subclass, raw >> 8 & 0xff), (interface, raw & 0xff),
            ]
            return pairs.allSatisfy { wanted, value in wanted == nil || wanted == value }
        }

        /// How many fields it asks for: of two that match, the one that asks for more is made for the function.
        var specificity: Int {
            [vendor, device, subsystemVendor, subsystemDevice, baseClass, subclass, interface].filter { $0 != nil }
                .count
        }
    }

    /// The running kernel's aliases, in the order of the file; those of modules that are built in as well.
    package var aliases: [Alias]

    package init(aliases: [Alias] = []) {
        self.aliases = aliases
    }

    /// The name of the driver that a VFIO module registers, as far as it can be told before it is loaded.
    package static func driver(ofModule module: String) -> String {
        let hyphenated = ["vfio_pci", "xe_vfio_pci"]
        return hyphenated.contains(module) ? String(module.map { $0 == "_" ? "-" : $0 }) : module
    }

    /// The module of a driver that an alias names; `nil` for any other.
    package func module(of driver: String) -> String? {
        aliases.first { $0.driver == driver }?.module
    }

    /// Whether a driver of this name is VFIO's: `vfio-pci`, and the variants in both spellings.
    package static func isNamed(_ driver: String) -> Bool {
        let name = String(driver.map { $0 == "_" ? "-" : $0 })
        return name == generic || name.hasSuffix("-\(generic)")
    }

    /// Whether a driver is VFIO's by its name or by the aliases of its module.
    package func contains(_ driver: String) -> Bool {
        Self.isNamed(driver) || aliases.contains { $0.driver == driver }
    }

    /// The best match for a function: the alias that asks for most, of equal ones the first; vfio-pci without any.
    package func best(for function: PCIFunction) -> String {
        let matching = aliases.filter { Self.isNamed($0.driver) && $0.matches(function) }
        return matching.max { $0.specificity < $1.specificity }?.driver ?? Self.generic
    }
}

extension Snapshot {
    /// The VFIO driver that a claim binds a function to, and why.
    ///
    /// A function that is on VFIO stays on its driver: a variant is what the device needs. Else the person's choice counts,
    /// which is about the GPU alone, then a variant that somebody wrote into `driver_override`, then the best match.
    func vfioDriver(for function: PCIFunction, of gpu: PCIAddress, options: ClaimOptions) -> String {
        if function.isOnVFIO, let driver = function.driver { return driver }
        if let driver = options.driver, function.address == gpu { return driver }
        if let wish = function.driverOverride, wish != VFIODrivers.generic, vfioDrivers.contains(wish) { return wish }
        let best = vfioDrivers.best(for: function)
        return best == VFIODrivers.generic ? function.driverFoundByRule ?? best : best
    }
}
