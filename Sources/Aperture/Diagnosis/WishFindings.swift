/// What files and other tools want of the card.
struct WishFindings {
    let gpu: PCIFunction
    let plan: Plan
    let snapshot: Snapshot
    let facts: HostFacts

    var all: [Finding] {
        initramfs + deviceIDs + [blacklist, driverctl, libvirt, pciback, configuration, unit, record].flatMap(\.self)
    }

    // MARK: - Native drivers

    /// The modules that drive GPUs of the card's vendor. The bound driver is one of them, whatever its vendor.
    private var natives: [String] {
        let known: [UInt16: [String]] = [
            0x1002: ["amdgpu", "radeon"], 0x10de: ["nouveau", "nvidia", "nvidia_drm", "nvidia_modeset"],
            0x8086: ["i915", "xe"], 0x1a03: ["ast"], 0x102b: ["mgag200"],
        ]
        let bound = gpu.isOnVFIO ? nil : gpu.driver.map(KernelCommandLine.normalized)
        return Set((known[gpu.vendor] ?? []) + [bound].compactMap(\.self)).sorted()
    }

    private var initramfs: [Finding] {
        let subject = "Initramfs"
        let cannot = "what the image holds is not known without unpacking it."
        guard case .known(let mentions) = facts.initramfsModules else {
            let why = if case .unknown(let reason) = facts.initramfsModules { "\(reason), and " } else { "" }
            return [
                Finding(.initramfs, .unknown, subject, "Whether it loads a native driver is not known: \(why)\(cannot)")
            ]
        }
        let found = mentions.filter { natives.contains($0.module) }
        guard !found.isEmpty else {
            return [
                Finding(.initramfs, .unknown, subject, "No configuration names a native driver of the card; \(cannot)")
            ]
        }
        let list = Set(found.map { "\($0.module) (\($0.path))" }).sorted().joined(separator: ", ")
        return [
            Finding(
                .initramfs, .note, subject,
                "It is told to load \(list): the driver takes the card before the unit does, and the claim unbinds it.",
                remedy: "Remove the module there and make the image anew, unless another card needs it.")
        ]
    }

    private var blacklist: [Finding] {
        let lines = (facts.moduleLines.value ?? []).filter { line in
            // Packages put theirs below /usr/lib: nvidia's against nouveau, for example.
            line.command == .blacklist && natives.contains(line.module) && line.path.hasPrefix("/etc/")
        }
        let listed = lines.map { "\($0.module) (\($0.path))" }
        let words = ["modprobe.blacklist", "module_blacklist"].flatMap { option in
            (facts.commandLine.value?.words(of: option) ?? []).map(KernelCommandLine.normalized)
                .filter(natives.contains).map { "\($0) (\(option)=)" }
        }
        guard !(listed + words).isEmpty else { return [] }
        return [
            Finding(
                .moduleOption, .note, "Blacklist",
                "\((listed + words).joined(separator: ", ")): a claim does not need it, and a release gives the card to no "
                    + "such driver.", remedy: "Remove it if the host is to use the card after a release.")
        ]
    }

    // MARK: - IDs

    private struct IDList {
        var driver: String
        var place: String
        var value: String
    }

    /// The lists of IDs for the drivers that keep cards from the host.
    private var idLists: [IDList] {
        ["vfio_pci", "pci_stub"].flatMap { module -> [IDList] in
            let driver = module == "vfio_pci" ? "vfio-pci" : "pci-stub"
            let options = facts.commandLine.value?.options(named: "\(module).ids") ?? []
            let lines = (facts.moduleLines.value ?? []).filter { $0.command == .options && $0.module == module }
            return options.map { IDList(driver: driver, place: "the command line", value: $0.value ?? "") }
                + lines.flatMap { line in
                    line.rest.filter { $0.hasPrefix("ids=") }.map { word in
                        IDList(driver: driver, place: line.path, value: String(word.dropFirst(4)))
                    }
                }
        }
    }

    private var deviceIDs: [Finding] {
        idLists.compactMap { list in
            let patterns = list.value.split(separator: ",").compactMap { IDPattern(String($0)) }
            func matches(_ function: PCIFunction) -> Bool { patterns.contains { $0.matches(function) } }
            guard plan.functions.contains(where: matches) else { return nil }
            let twins = snapshot.functions.filter { function in
                matches(function) && !plan.functions.contains { $0.address == function.address }
            }.map(\.address.description)
            let what = "ids= of \(list.driver) in \(list.place)"
            guard !twins.isEmpty else {
                return Finding(
                    .deviceIDs, .ok, "Device IDs",
                    "\(what) names this card and no other GPU here; a claim does not need it.")
            }
            return Finding(
                .deviceIDs, .note, "Device IDs",
                "\(what) names this card, and also \(twins.joined(separator: ", ")): IDs cannot tell twins apart.",
                remedy: "Remove it: the unit claims one address.")
        }
    }

    /// `vendor:device[:subvendor[:subdevice[:class[:class_mask]]]]` (`vfio_pci_fill_ids()`).
    private struct IDPattern {
        private let numbers: [UInt32]

        init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            let numbers = parts.compactMap { UInt32($0.hasPrefix("0x") ? $0.dropFirst(2) : $0, radix: 16) }
            guard numbers.count == parts.count, numbers.count >= 2 else { return nil }
            self.numbers = numbers
        }

        func matches(_ function: PCIFunction) -> Bool {
            func agrees(_ index: Int, _ value: UInt16?) -> Bool {
                // PCI_ANY_ID
                guard index < numbers.count, numbers[index] != .max else { return true }
                return value.map { UInt32($0) == numbers[index] } ?? false
            }
            let mask = numbers.count > 5 ? numbers[5] : 0
            let pciClass = numbers.count > 4 ? numbers[4] : 0
            return agrees(0, function.vendor) && agrees(1, function.device) && agrees(2, function.subsystemVendor)
                && agrees(3, function.subsystemDevice) && (function.pciClass.rawValue ^ pciClass) & mask == 0
        }
    }

    // MARK: - Other tools

    private var driverctl: [Finding] {
        switch facts.driverctl {
        case .unknown(let reason):
            return [Finding(.driverctl, .unknown, "driverctl", "Its overrides are not known: \(reason).")]
        case .known(let overrides):
            return overrides.filter { found in plan.functions.contains { $0.address == found.address } }.map { found in
                let isVFIO = snapshot.vfioDrivers.contains(found.driver)
                return Finding(
                    .driverctl, .note, "driverctl",
                    "At each boot it gives \(found.address) to \(found.driver) (\(found.path))"
                        + (isVFIO ? ", as the unit does." : ", and the unit to VFIO: the later one wins."),
                    remedy: "Remove the file: the unit decides without it.")
            }
        }
    }

    private var libvirt: [Finding] {
        switch facts.libvirt {
        case .unknown(let reason):
            return [Finding(.libvirt, .unknown, "libvirt", "Its guests' devices are not known: \(reason).")]
        case .known(let devices):
            return devices.filter { found in plan.functions.contains { $0.address == found.address } }.map { found in
                found.isManaged == true
                    ? Finding(
                        .libvirt, .note, "libvirt",
                        "The guest \(found.guest) has \(found.address) with managed='yes': libvirt leaves a card alone that "
                            + "is on VFIO, and otherwise takes and returns it by itself.",
                        remedy: "Say managed='no', so that only the unit decides: virsh edit \(found.guest).")
                    : Finding(
                        .libvirt, .ok, "libvirt",
                        "The guest \(found.guest) has \(found.address), and leaves its driver alone.")
            }
        }
    }

    private var pciback: [Finding] {
        let hidden = ["xen_pciback.hide", "pciback.hide"].flatMap { facts.commandLine.value?.options(named: $0) ?? [] }
        let names = plan.functions.filter { function in
            let short = function.address.description.split(separator: ":", maxSplits: 1).last.map(String.init) ?? ""
            let isHidden = hidden.contains { option in
                (option.value ?? "").split { "()".contains($0) }.contains { word in
                    word == function.address.description || function.address.domain == 0 && word == short
                }
            }
            return isHidden || function.driver == "pciback" || function.driver == "xen-pciback"
        }.map(\.address.description)
        guard !names.isEmpty else { return [] }
        return [
            Finding(
                .xenPciback, .note, "xen-pciback",
                "It keeps \(names.joined(separator: ", ")) for Xen's guests, and VFIO's guests do not get it.",
                remedy: "Decide for one of the two: remove xen-pciback.hide= from the command line for VFIO.")
        ]
    }

    // MARK: - The unit

    private var configuration: [Finding] {
        switch facts.configuration[gpu.address] {
        case nil: return []
        case .unknown(let reason)?:
            return [
                Finding(
                    .configuration, .unknown, "Configuration", "apertured.conf could not be read: \(reason).",
                    remedy: "Until it can be read the unit refuses.")
            ]
        case .known(let refusals)?:
            if refusals.isEmpty {
                return [Finding(.configuration, .ok, "Configuration", "apertured.conf allows the card's unit.")]
            }
            return refusals.map { refusal in
                Finding(
                    .configuration, .note, "Configuration",
                    "The unit would refuse (\(refusal.code.rawValue)): \(refusal.message)",
                    remedy: refusal.remedy)
            }
        }
    }

    private var record: [Finding] {
        switch facts.records[gpu.address] {
        case nil: []
        case .known(let isThere)?:
            [Finding(.record, .ok, "Record", isThere ? "There is one of a claim." : "There is no claim.")]
        case .unknown(let reason)?:
            [
                Finding(
                    .record, .obstacle, "Record", "It is not known whether the card is claimed: \(reason).",
                    remedy:
                        "Look who wrote there: only root does. A claim and a release fail until it is right or gone.")
            ]
        }
    }

    private var unit: [Finding] {
        let unit = "apertured@\(gpu.address).service"
        switch facts.links {
        case .unknown(let reason):
            return [Finding(.unit, .unknown, "Unit", "Whether \(unit) is enabled is not known: \(reason).")]
        case .known(let links) where links.contains { PCIAddress($0.instance) == gpu.address }:
            return [Finding(.unit, .ok, "Unit", "\(unit) is enabled.")]
        case .known:
            switch facts.jointlyGuarded {
            case .known(let guarded):
                if let name = guarded[gpu.address] { return [Finding(.unit, .ok, "Unit", "\(name) guards it.")] }
            case .unknown(let reason):
                return [
                    Finding(.unit, .unknown, "Unit", "Whether a guard of several cards has it is not known: \(reason).")
                ]
            }
            return [
                Finding(
                    .unit, .note, "Unit", "\(unit) is not enabled: a claim lasts until the next boot.",
                    remedy: "apertured enable --now \(gpu.address)")
            ]
        }
    }
}
