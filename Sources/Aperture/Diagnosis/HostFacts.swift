/// A fact about the machine, or why it is not known.
package enum Fact<Value: Sendable>: Sendable {
    /// It was read.
    case known(Value)
    /// It could not be read: the reason, as a sentence without its full stop.
    case unknown(String)

    /// The value; `nil` where it is not known.
    package var value: Value? {
        if case .known(let value) = self { value } else { nil }
    }
}

extension Fact: Equatable where Value: Equatable {}
extension Fact: Hashable where Value: Hashable {}

/// What a diagnosis needs to know beside the snapshot: nothing of this decides whether a claim is refused.
package struct HostFacts: Sendable {
    /// /proc/cmdline.
    package var commandLine: Fact<KernelCommandLine> = .unknown("not read")
    /// What /proc/cpuinfo says of the first processor.
    package var processor: Fact<ProcessorFacts> = .unknown("not read")
    /// The IOMMUs that the kernel drives (`/sys/class/iommu`).
    package var iommus: Fact<[IOMMUUnit]> = .unknown("not read")
    /// The names of the firmware's ACPI tables (`/sys/firmware/acpi/tables`); empty without ACPI.
    package var firmwareTables: Fact<Set<String>> = .unknown("not read")
    /// CONFIG_INTEL_IOMMU_DEFAULT_ON of the running kernel, from /boot/config-VERSION.
    package var isIntelIOMMUOnByDefault: Fact<Bool> = .unknown("not read")
    /// How the interrupt controllers are called in /proc/interrupts.
    package var interrupts: Fact<InterruptControllers> = .unknown("not read")
    /// vfio_iommu_type1's parameter `allow_unsafe_interrupts`; `nil` while the module is not loaded.
    package var allowsUnsafeInterrupts: Fact<Bool?> = .unknown("not read")
    /// modprobe's configuration, in the order of reading.
    package var moduleLines: Fact<[ModuleLine]> = .unknown("not read")
    /// The modules that an initramfs generator is told to include.
    package var initramfsModules: Fact<[ModuleMention]> = .unknown("not read")
    /// The overrides that driverctl keeps (`/etc/driverctl.d`).
    package var driverctl: Fact<[SavedOverride]> = .unknown("not read")
    /// The PCI devices that libvirt's guests have (`/etc/libvirt/qemu/*.xml`).
    package var libvirt: Fact<[LibvirtDevice]> = .unknown("not read")
    /// The links that enable units of this package.
    package var links: Fact<[EnablementLink]> = .unknown("not read")
    /// The cards that one guard of several has by the configuration, and that guard, as a sentence begins with it.
    package var jointlyGuarded: Fact<[PCIAddress: String]> = .known([:])
    /// Whether systemd can find `apertured@.service`.
    package var isUnitInstalled: Fact<Bool> = .unknown("not read")
    /// Whether a function is at each address that a link names. A function that is not there is a card that was moved.
    package var presentFunctions: Fact<Set<PCIAddress>> = .unknown("not read")
    /// The settings of the limit of locked memory, each with its file.
    package var memoryLocks: Fact<[MemoryLock]> = .unknown("not read")
    /// What is known of each function beside the snapshot.
    package var details: [PCIAddress: FunctionDetail] = [:]
    /// Why the configuration forbids a unit of the card; empty when it allows it.
    package var configuration: [PCIAddress: Fact<[Refusal]>] = [:]

    /// Whether there is a record of a claim of the card. A claim fails while its record cannot be used.
    package var records: [PCIAddress: Fact<Bool>] = [:]

    /// Nothing was read.
    package init() {}
}

/// The processor, as far as it decides how an IOMMU is switched on and how wide addresses are.
package struct ProcessorFacts: Hashable, Sendable {
    /// `vendor_id`: `GenuineIntel`; `nil` where there is none, as on ARM.
    package var vendor: String?
    /// The width of physical addresses in bits, of `address sizes`; `nil` where the kernel does not say.
    package var addressBits: Int?

    /// A processor of this vendor and width.
    package init(vendor: String? = nil, addressBits: Int? = nil) {
        self.vendor = vendor
        self.addressBits = addressBits
    }

    /// Whether VT-d is its IOMMU.
    var isIntel: Bool { vendor == "GenuineIntel" }
    /// Whether AMD-Vi is its IOMMU.
    var isAMD: Bool { vendor == "AuthenticAMD" || vendor == "HygonGenuine" }

    /// Reads /proc/cpuinfo, as far as its first processor.
    package init(cpuinfo text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            // A blank line ends a processor.
            if line.isEmpty, vendor != nil || addressBits != nil { break }
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].drop { $0 == " " }
            switch parts[0].split(whereSeparator: \.isWhitespace).joined(separator: " ") {
            case "vendor_id": vendor = String(value)
            // `39 bits physical, 48 bits virtual`
            case "address sizes": addressBits = Int(value.prefix(while: \.isNumber))
            default: break
            }
        }
    }
}

/// An IOMMU that the kernel drives.
package struct IOMMUUnit: Hashable, Sendable {
    /// The name in `/sys/class/iommu`: `dmar0`, `ivhd0`, `smmu3.0x…`.
    package var name: String
    /// VT-d's capability register (`intel-iommu/cap`); `nil` for any other.
    package var capability: UInt64?
    /// VT-d's extended capability register (`intel-iommu/ecap`); `nil` for any other.
    package var extendedCapability: UInt64?

    /// An IOMMU with VT-d's registers, if it has them.
    package init(name: String, capability: UInt64? = nil, extendedCapability: UInt64? = nil) {
        self.name = name
        self.capability = capability
        self.extendedCapability = extendedCapability
    }

    /// The width of the addresses that it translates (`cap_mgaw()` in drivers/iommu/intel/iommu.h).
    var addressBits: Int? { capability.map { Int($0 >> 16 & 0x3f) + 1 } }
    /// Whether it can check interrupts (`ecap_ir_support()`).
    var canRemapInterrupts: Bool? { extendedCapability.map { $0 >> 3 & 1 == 1 } }
}

/// What the names of x86's interrupt controllers in /proc/interrupts tell: an IO-APIC or MSI domain below a remapping
/// IOMMU has the prefix `IR-`.
package struct InterruptControllers: Hashable, Sendable {
    /// Whether one has the prefix.
    package var hasRemapped = false
    /// Whether one of those that could have it has not.
    package var hasPlain = false

    /// None was seen.
    package init() {}

    /// Takes one line of the file into account.
    package mutating func read(line: some RandomAccessCollection<UInt8>) {
        // No word before the controller's name begins with a capital letter: there are the counts.
        guard let first = line.firstIndex(where: { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            return
        }
        let name = line[first...]
        let prefix = Array("IR-".utf8)
        let isRemapped = name.starts(with: prefix)
        let rest = isRemapped ? name.dropFirst(prefix.count) : name
        guard rest.starts(with: "IO-APIC".utf8) || rest.starts(with: "PCI-MSI".utf8) else { return }
        if isRemapped { hasRemapped = true } else { hasPlain = true }
    }
}

/// One line of modprobe's configuration (modprobe.d(5)), as far as it matters here.
package struct ModuleLine: Hashable, Sendable {
    /// `options`, `blacklist` or `install`.
    package enum Command: String, Hashable, Sendable {
        /// Parameters for a module.
        case options
        /// The module's aliases are not followed.
        case blacklist
        /// A command that is run in the module's place.
        case install
    }

    /// What it does.
    package var command: Command
    /// The module, with underscores.
    package var module: String
    /// The rest: parameters, or the command.
    package var rest: [String]
    /// The file.
    package var path: String

    /// Reads a file's lines; comments, other commands and what makes no sense are left out.
    package static func parse(_ text: String, path: String) -> [ModuleLine] {
        // A backslash at the end continues a line.
        let joined = ModuleLine.joinLines(text)
        return joined.compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard words.count >= 2, let command = Command(rawValue: words[0]) else { return nil }
            return ModuleLine(
                command: command, module: KernelCommandLine.normalized(words[1]), rest: Array(words.dropFirst(2)),
                path: path)
        }
    }

    private static func joinLines(_ text: String) -> [String] {
        var lines: [String] = []
        var open = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasSuffix("\\") {
                open += line.dropLast() + " "
            } else {
                lines.append(open + line)
                open = ""
            }
        }
        return lines + (open.isEmpty ? [] : [open])
    }
}

/// A module that an initramfs generator's configuration names.
package struct ModuleMention: Hashable, Sendable {
    /// The module, with underscores.
    package var module: String
    /// The file.
    package var path: String

    /// A module and the file that names it.
    package init(module: String, path: String) {
        self.module = module
        self.path = path
    }

    /// The words of a file of initramfs-tools, dracut or mkinitcpio that can be modules: those outside of comments.
    package static func parse(_ text: String, path: String) -> [ModuleMention] {
        text.split(separator: "\n").flatMap { line in
            line.prefix { $0 != "#" }.split { " \t\"'()+=".contains($0) }.map { word in
                ModuleMention(module: KernelCommandLine.normalized(String(word)), path: path)
            }
        }
    }
}

/// An override that driverctl sets at each boot.
package struct SavedOverride: Hashable, Sendable {
    /// The function.
    package var address: PCIAddress
    /// The driver.
    package var driver: String
    /// The file.
    package var path: String

    /// An override as driverctl keeps it.
    package init(address: PCIAddress, driver: String, path: String) {
        self.address = address
        self.driver = driver
        self.path = path
    }

    /// The function of a file of /etc/driverctl.d: `pci-0000:01:00.0`; `nil` for another bus.
    package static func address(ofFile name: String) -> PCIAddress? {
        PCIAddress(name.hasPrefix("pci-") ? String(name.dropFirst(4)) : name)
    }
}

/// A link in a `.wants` or `.requires` folder that enables a unit of this package.
package struct EnablementLink: Hashable, Sendable {
    /// Where systemd keeps the links of enabled units: for all boots, and for this one.
    package static let folders = ["/etc/systemd/system", "/run/systemd/system"]

    /// The link.
    package var path: String
    /// What stands between `apertured@` and `.service`.
    package var instance: String

    /// A link for this instance.
    package init(path: String, instance: String) {
        self.path = path
        self.instance = instance
    }

    /// The instance of a unit's name; `nil` for another unit.
    package static func instance(ofUnit name: String) -> String? {
        guard name.hasPrefix("apertured@"), name.hasSuffix(".service") else { return nil }
        return String(name.dropFirst("apertured@".count).dropLast(".service".count))
    }
}

/// A line that sets the limit of locked memory.
package struct MemoryLock: Hashable, Sendable {
    /// The line.
    package var text: String
    /// The file.
    package var path: String

    /// A line of this file.
    package init(text: String, path: String) {
        self.text = text
        self.path = path
    }

    /// The lines that set it: `… memlock …` of limits.conf(5), and `DefaultLimitMEMLOCK=` of systemd-system.conf(5).
    package static func parse(_ text: String, path: String) -> [MemoryLock] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#"), !first.hasPrefix(";") else { return nil }
            let isLimit = words.count >= 4 && words[2] == "memlock"
            guard isLimit || first.hasPrefix("DefaultLimitMEMLOCK=") else { return nil }
            return MemoryLock(text: words.joined(separator: " "), path: path)
        }
    }

    /// Whether there is no limit.
    var isUnlimited: Bool { ["unlimited", "infinity", "-1"].contains { text.hasSuffix($0) } }
}

/// What is known of a function beside the snapshot.
package struct FunctionDetail: Hashable, Sendable {
    /// How deeply it sleeps.
    package var power = PowerState()
    /// `d3cold_allowed`; `nil` where the kernel does not show it.
    package var mayLosePower: Bool?
    /// `reset_method` (since 5.15), in the order in which they are tried; `nil` where the kernel does not show it.
    package var resetMethods: [String]?
    /// Whether it has a file `reset`: the kernel can reset it by some method.
    package var canBeReset = false
    /// The size of the file `rom`; `nil` without one. The file is never enabled and never read.
    package var romSize: Int?
    /// The sizes that a BAR can have (`resourceN_resize`, since 6.1), a bit N for 2^(N+20) bytes; by the number of the BAR.
    package var resizing: [Int: UInt64] = [:]
    /// Why some sizes are not known, as a sentence without its full stop; `nil` when all are.
    package var resizingUnknown: String?

    /// Nothing is known.
    package init() {}
}

/// How deeply a function sleeps, from files that take no lock and wake nothing.
package struct PowerState: Hashable, Sendable {
    /// `power/runtime_status`; `nil` where it is not shown.
    package var runtimeStatus: String?
    /// `power_state`, since 5.11; `nil` where it is not shown.
    package var state: String?

    /// What the two files say.
    package init(runtimeStatus: String? = nil, state: String? = nil) {
        self.runtimeStatus = runtimeStatus
        self.state = state
    }

    /// Whether it sleeps.
    package var isAsleep: Bool { runtimeStatus == "suspended" || state == "D3hot" || state == "D3cold" }

    /// Whether it is in D3cold, or may be. In D3hot its configuration can be read without waking it.
    package var hasNoPower: Bool { state.map { $0 == "D3cold" } ?? (runtimeStatus == "suspended") }
}
