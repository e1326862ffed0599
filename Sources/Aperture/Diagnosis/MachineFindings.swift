/// What holds for every card of the machine.
struct MachineFindings {
    let snapshot: Snapshot
    let facts: HostFacts

    var all: [Finding] {
        [iommu, interruptRemapping].compactMap(\.self) + kernelOptions + moduleOptions + brokenLinks + [memoryLock]
    }

    private var line: KernelCommandLine { facts.commandLine.value ?? KernelCommandLine("") }

    // MARK: - IOMMU

    private var hasGroups: Bool {
        snapshot.functions.contains { $0.iommuGroup.map { !$0.isNoIOMMU } ?? false }
    }

    private var iommu: Finding {
        if snapshot.platform.isXenControlDomain {
            return Finding(.iommu, .note, "IOMMU", "This is Xen's control domain: the hypervisor controls the IOMMU.")
        }
        if hasGroups {
            let names = facts.iommus.value?.map(\.name).joined(separator: ", ") ?? ""
            return Finding(
                .iommu, .ok, "IOMMU", "It is on\(names.isEmpty ? "" : " (\(names))"), and devices are in IOMMU groups.")
        }
        switch snapshot.platform.processor {
        case .arm: return missing("SMMU", table: "IORT", off: [], unless: nil)
        case .other: return Finding(.iommu, .unknown, "IOMMU", "No device is in an IOMMU group; why is not known.")
        case .x86: break
        }
        guard case .known(let processor) = facts.processor, processor.isIntel || processor.isAMD else {
            let why =
                if case .unknown(let reason) = facts.processor { reason } else { "the processor's vendor is not known" }
            return Finding(.iommu, .unknown, "IOMMU", "No device is in an IOMMU group; why is not known: \(why).")
        }
        if processor.isAMD { return missing("AMD-Vi", table: "IVRS", off: ["amd_iommu", "iommu"], unless: nil) }
        let isAsked = line.words(of: "intel_iommu").contains("on")
        let isOn = isAsked || facts.isIntelIOMMUOnByDefault.value == true
        return missing("VT-d", table: "DMAR", off: ["intel_iommu", "iommu"], unless: isOn ? nil : "intel_iommu=on")
    }

    /// Why there are no groups: an option, the firmware, or an option that is missing.
    /// - Parameters:
    ///   - table: The ACPI table in which the firmware describes the IOMMU.
    ///   - off: The options that can switch it off.
    ///   - option: The option that this kernel needs and has not; `nil` when it needs none.
    private func missing(_ name: String, table: String, off: [String], unless option: String?) -> Finding {
        if let option = off.first(where: { line.words(of: $0).contains("off") }) {
            return Finding(
                .iommu, .note, "IOMMU", "\(name) is off: the kernel's command line has \(option)=off.",
                remedy: "Remove \(option)=off, and boot.")
        }
        switch facts.firmwareTables {
        case .unknown(let reason):
            return Finding(
                .iommu, .unknown, "IOMMU",
                "It is not known whether the firmware describes \(name): \(reason).",
                remedy: option.map { "Switch \(name) on in the firmware, and boot with \($0)." }
                    ?? "Switch \(name) on in the firmware.")
        case .known(let tables) where tables.isEmpty:
            return Finding(
                .iommu, .unknown, "IOMMU",
                "There is no ACPI that could describe \(name): a device tree or a hypervisor must.",
                remedy: "In a virtual machine, give it an IOMMU.")
        case .known(let tables) where !tables.contains(table):
            return Finding(
                .iommu, .note, "IOMMU", "The firmware does not describe \(name): it has no ACPI table \(table).",
                remedy: "Switch \(name) on in the firmware" + (option.map { ", and boot with \($0)." } ?? "."))
        case .known:
            guard let option else {
                return Finding(
                    .iommu, .unknown, "IOMMU",
                    "The firmware describes \(name) (\(table)) and this kernel needs no option for it, but there are no "
                        + "groups.", remedy: "The kernel's log says why: journalctl -k -g 'iommu|DMAR|AMD-Vi|smmu'.")
            }
            let isDefaultKnown = facts.isIntelIOMMUOnByDefault.value != nil
            return Finding(
                .iommu, .note, "IOMMU",
                "The firmware describes \(name) (\(table)), and the kernel does not use it"
                    + (isDefaultKnown ? ": CONFIG_INTEL_IOMMU_DEFAULT_ON is not set." : "."),
                remedy: "Boot with \(option).")
        }
    }

    private var interruptRemapping: Finding? {
        // Without an IOMMU there is nothing that could remap them.
        guard hasGroups else { return nil }
        let subject = "Interrupts"
        guard snapshot.platform.processor == .x86 else {
            return Finding(
                .interruptRemapping, .unknown, subject,
                "Whether they are isolated is not known: the kernel shows it on x86 alone.")
        }
        switch facts.interrupts {
        case .unknown(let reason):
            return Finding(.interruptRemapping, .unknown, subject, "Whether they are remapped is not known: \(reason).")
        case .known(let seen) where seen.hasRemapped:
            return Finding(.interruptRemapping, .ok, subject, "The IOMMU remaps them.")
        case .known(let seen) where !seen.hasPlain:
            return Finding(
                .interruptRemapping, .unknown, subject,
                "Whether they are remapped is not known: /proc/interrupts names no controller that would tell.")
        case .known: break
        }
        let isAllowed = facts.allowsUnsafeInterrupts.value == true
        let cannot = facts.iommus.value?.contains { $0.canRemapInterrupts == false } == true
        let isOff = line.words(of: "intremap").contains("off")
        let why = cannot ? " The IOMMU cannot." : isOff ? " The kernel's command line has intremap=off." : ""
        return Finding(
            .interruptRemapping, .note, subject,
            "They are not remapped.\(why) "
                + (isAllowed
                    ? "allow_unsafe_interrupts lets VFIO work nevertheless: a guest can send the host any interrupt."
                    : "VFIO then hands no card to a guest."),
            remedy: isOff
                ? "Remove intremap=off, and boot."
                : "Switch interrupt remapping on in the firmware. For guests that you trust, "
                    + "allow_unsafe_interrupts=1 of vfio_iommu_type1 does without.")
    }

    // MARK: - Options

    private var kernelOptions: [Finding] {
        guard case .known(let line) = facts.commandLine else {
            guard case .unknown(let reason) = facts.commandLine else { return [] }
            return [
                Finding(.kernelOption, .unknown, "Kernel options", "The command line is not known: \(reason).")
            ]
        }
        let found = line.options.compactMap(finding)
        return found.isEmpty
            ? [Finding(.kernelOption, .ok, "Kernel options", "None is in the way of a claim.")] : found
    }

    private func finding(_ option: KernelCommandLine.Option) -> Finding? {
        func note(_ statement: String, remedy: String) -> Finding {
            Finding(.kernelOption, .note, option.text, statement, remedy: remedy)
        }
        let words = (option.value ?? "").split(separator: ",").map(String.init)
        switch KernelCommandLine.normalized(option.name) {
        case "video":
            // fb_get_options(): the text up to the colon is one driver's name, and "off" begins the rest.
            let parts = (option.value ?? "").split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[1].hasPrefix("off"), FramebufferDriver.isKept(offBy: parts[0]) else {
                return nil
            }
            return note(
                "It stops the driver \(parts[0]) and no other: simpledrm, efidrm, vesadrm and BOOTFB stay. A claim evicts "
                    + "what is in the card, and leaves the host's other screens.", remedy: "Remove it.")
        case "initcall_blacklist" where words.contains("sysfb_init"):
            return note(
                "The kernel makes no device of the firmware's screen, on no card: the host has no screen until a native "
                    + "driver loads. A claim does not need this.", remedy: "Remove it.")
        case "initcall_blacklist" where words.contains("simpledrm_platform_driver_init"):
            return note(
                "It stops simpledrm, and BOOTFB stays in the card's BAR without a driver. A claim does not need this.",
                remedy: "Remove it.")
        case "nomodeset":
            return note(
                "No native driver draws: the host has the firmware's screen alone, and a released card gets no such "
                    + "driver.", remedy: "Remove it if the host has a screen on another card.")
        case "pcie_acs_override":
            return note(
                "A patched kernel makes smaller IOMMU groups than the hardware isolates: a guest may reach devices "
                    + "that are not its own.", remedy: "Remove it if the card has a group of its own without it.")
        case "module_blacklist":
            let vfio = words.map(KernelCommandLine.normalized).filter { $0 == "vfio" || $0.hasPrefix("vfio_") }
            guard !vfio.isEmpty else { return nil }
            return note("The kernel will not load \(vfio.joined(separator: ", ")).", remedy: "Remove it.")
        case "vfio_pci.disable_vga" where Self.isTrue(option.value): return disabledVGA(option.text, "the command line")
        default: return nil
        }
    }

    private var moduleOptions: [Finding] {
        guard case .known(let lines) = facts.moduleLines else {
            guard case .unknown(let reason) = facts.moduleLines else { return [] }
            return [
                Finding(.moduleOption, .unknown, "Module options", "modprobe's configuration is not known: \(reason).")
            ]
        }
        let found = lines.compactMap { line -> Finding? in
            switch line.command {
            case .options where line.module == "vfio_pci":
                let word = line.rest.first { $0.hasPrefix("disable_vga") }
                let value = word?.split(separator: "=").dropFirst().first.map(String.init)
                guard let word, Self.isTrue(value) else { return nil }
                return disabledVGA("vfio-pci \(word)", line.path)
            case .install where line.module == "vfio" || line.module.hasPrefix("vfio_"):
                return Finding(
                    .moduleOption, .note, "install \(line.module)",
                    "modprobe runs another command in the place of \(line.module) (\(line.path)).",
                    remedy: "Remove the line, unless the command loads the module.")
            default: return nil
            }
        }
        return found.isEmpty
            ? [Finding(.moduleOption, .ok, "Module options", "None for VFIO is in the way of a claim.")] : found
    }

    private func disabledVGA(_ option: String, _ place: String) -> Finding {
        Finding(
            place.hasPrefix("/") ? .moduleOption : .kernelOption, .note, option,
            "A guest does not get the card's legacy VGA ranges (x-vga=on); \(place) sets it. A guest with UEFI firmware "
                + "does not need them.", remedy: "Remove it if a guest boots with a VGA BIOS.")
    }

    /// What the kernel takes for yes (`kstrtobool()`); a parameter without a value is true.
    private static func isTrue(_ value: String?) -> Bool {
        guard let value, let first = value.lowercased().first else { return value == nil }
        return first == "1" || first == "y" || first == "t" || value.lowercased() == "on"
    }

    // MARK: - Units and limits

    private var brokenLinks: [Finding] {
        guard case .known(let links) = facts.links else { return [] }
        return links.compactMap { link in
            let unit = "apertured@\(link.instance).service"
            func broken(_ why: String) -> Finding {
                Finding(
                    .brokenLink, .note, unit, "\(link.path) enables it, and \(why).",
                    remedy: "systemctl disable \(unit), or remove the link.")
            }
            if facts.isUnitInstalled.value == false { return broken("systemd finds no apertured@.service") }
            guard let address = PCIAddress(link.instance) else { return broken("\(link.instance) is no PCI address") }
            guard case .known(let present) = facts.presentFunctions, !present.contains(address) else { return nil }
            return broken("there is no device at \(address) now")
        }
    }

    private var memoryLock: Finding {
        let what =
            "VFIO pins a guest's memory, and a QEMU that is not root needs a limit above it; libvirt raises it itself."
        switch facts.memoryLocks {
        case .unknown(let reason):
            return Finding(.memoryLock, .unknown, "Locked memory", "\(what) The settings are not known: \(reason).")
        case .known(let found) where found.isEmpty:
            return Finding(
                .memoryLock, .unknown, "Locked memory",
                "\(what) No file sets it, so the limit is the kernel's or the session's.")
        case .known(let found):
            let list = found.map { "\($0.text) (\($0.path))" }.joined(separator: "; ")
            return Finding(
                .memoryLock, found.contains(where: \.isUnlimited) ? .ok : .note, "Locked memory",
                "\(what) Set: \(list).")
        }
    }
}

extension FramebufferDriver {
    /// Whether `video=NAME:off` keeps this driver from its device: the fbdev drivers ask (`fb_get_options()`), the DRM
    /// drivers do not.
    static func isKept(offBy name: some StringProtocol) -> Bool {
        ["efifb", "vesafb", "simplefb"].contains(String(name))
    }
}
