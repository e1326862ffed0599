/// VFIO's drivers for PCI functions: vfio-pci, and the variants that some devices need (drivers/vfio/pci/*).
///
/// Most variant drivers have the name of their module, with underscores (`KBUILD_MODNAME`: `nvgrace_gpu_vfio_pci`);
/// some have hyphens (`xe-vfio-pci` of the module xe_vfio_pci). For a loaded module `/sys/module/MODULE/drivers` tells.
package struct VFIODrivers: Hashable, Sendable {
    /// The driver that takes every function.
    package static let generic = "vfio-pci"

    /// A line `alias vfio_pci:v…d…sv…sd…bc…sc…i… MODULE` of modules.alias: which functions a driver is made for
    /// (`do_pci_entry()` of scripts/mod/file2alias.c). A field that is `nil` matches every value.
    package struct Alias: Hashable, Sendable {
        /// `v`, the vendor ID.
        package var vendor: UInt32?
        /// `d`, the device ID.
        package var device: UInt32?
        /// `sv`, the subsystem's vendor ID.
        package var subsystemVendor: UInt32?
        /// `sd`, the subsystem's device ID.
        package var subsystemDevice: UInt32?
        /// `bc`, the base class.
        package var baseClass: UInt32?
        /// `sc`, the subclass.
        package var subclass: UInt32?
        /// `i`, the programming interface.
        package var interface: UInt32?
        /// The module's name as modprobe knows it: `xe_vfio_pci`.
        package var module: String
        /// The name under `/sys/bus/pci/drivers`; a guess until the module is loaded.
        package var driver: String

        /// Reads the second and the third word of the line; `nil` for another form.
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
                // The next field's name begins with a small letter; the digits A to F are capital.
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

        /// Whether the driver is made for the function. A subsystem that could not be read matches no alias that names
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

        /// How many fields the alias names: of two aliases that match, the one with more fields is the better match.
        var specificity: Int {
            [vendor, device, subsystemVendor, subsystemDevice, baseClass, subclass, interface].filter { $0 != nil }
                .count
        }
    }

    /// The running kernel's aliases, in the order of the file; built-in modules are included.
    package var aliases: [Alias]

    /// Without aliases, vfio-pci is the only driver.
    package init(aliases: [Alias] = []) {
        self.aliases = aliases
    }

    /// The name of the driver that a VFIO module registers: a guess, for a module that is not loaded yet.
    package static func driver(ofModule module: String) -> String {
        let hyphenated = ["vfio_pci", "xe_vfio_pci"]
        return hyphenated.contains(module) ? String(module.map { $0 == "_" ? "-" : $0 }) : module
    }

    /// The module of a driver that has an alias; `nil` for any other driver.
    package func module(of driver: String) -> String? {
        aliases.first { $0.driver == driver }?.module
    }

    /// Whether a driver is VFIO's by its name: `vfio-pci`, or a variant in either spelling.
    package static func isNamed(_ driver: String) -> Bool {
        let name = String(driver.map { $0 == "_" ? "-" : $0 })
        return name == generic || name.hasSuffix("-\(generic)")
    }

    /// Whether a driver is VFIO's by its name or by an alias.
    package func contains(_ driver: String) -> Bool {
        Self.isNamed(driver) || aliases.contains { $0.driver == driver }
    }

    /// The best match for a function: of the matching aliases the one with the most fields, of equal ones the first;
    /// vfio-pci where none matches.
    package func best(for function: PCIFunction) -> String {
        let matching = aliases.filter { Self.isNamed($0.driver) && $0.matches(function) }
        return matching.max { $0.specificity < $1.specificity }?.driver ?? Self.generic
    }
}

extension Snapshot {
    /// The VFIO driver that a claim binds a function to.
    ///
    /// A function that is on VFIO keeps its driver: the device may need that variant. Otherwise the first of these
    /// counts: the person's choice, which is for the GPU alone; a variant that somebody wrote into `driver_override`;
    /// a variant that matches; the driver that the udev rule found; vfio-pci.
    func vfioDriver(for function: PCIFunction, of gpu: PCIAddress, options: ClaimOptions) -> String {
        if function.isOnVFIO, let driver = function.driver { return driver }
        if let driver = options.driver, function.address == gpu { return driver }
        if let wish = function.driverOverride, wish != VFIODrivers.generic, vfioDrivers.contains(wish) { return wish }
        let best = vfioDrivers.best(for: function)
        return best == VFIODrivers.generic ? function.driverFoundByRule ?? best : best
    }
}
