/// What the card itself, its group and its users tell.
struct CardFindings {
    let gpu: PCIFunction
    let plan: Plan
    let snapshot: Snapshot
    let facts: HostFacts

    var all: [Finding] {
        let ways = [card, group, vfioDriver, framebuffer] + risks + [driver, nvidia, holders]
        let hardware = [bars, addressWidth, resizableBAR, reset, power, rom]
        return ways.compactMap(\.self) + hardware.compactMap(\.self) + screens
    }

    private var detail: FunctionDetail? { facts.details[gpu.address] }

    private func isRefused(_ codes: Refusal.Code...) -> Bool {
        plan.refusals.contains { codes.contains($0.code) }
    }

    // MARK: - The way to VFIO

    private var card: Finding? {
        guard !gpu.isDead else { return nil }
        if gpu.header != nil { return Finding(.card, .ok, "Card", "It answers.") }
        let isAsleep = detail?.power.isAsleep == true
        return Finding(
            .card, .unknown, "Card",
            isAsleep
                ? "It sleeps and was not woken: whether it answers is not known."
                : "Its configuration could not be read: whether it answers is not known.")
    }

    private var group: Finding? {
        guard !isRefused(.noIOMMU, .groupNotViable), let group = gpu.iommuGroup else { return nil }
        let others = group.members.filter { member in
            !plan.functions.contains { $0.address.description == member.name }
        }
        let list = others.map { "\($0.name) (\($0.driver ?? "no driver"))" }.joined(separator: ", ")
        let rest = others.isEmpty ? "and nothing else" : "and, which do no harm, \(list)"
        let taken = plan.functions.filter { $0.iommuGroup?.number == group.number }.map(\.address.description)
        return Finding(
            .group, .ok, "IOMMU group", "Group \(group.number) holds \(taken.joined(separator: ", ")) \(rest).")
    }

    private var vfioDriver: Finding? {
        guard !isRefused(.vfioPCIMissing), let name = plan.drivers[gpu.address] else { return nil }
        if gpu.isOnVFIO { return Finding(.vfioDriver, .ok, "VFIO driver", "The card is on \(name).") }
        if snapshot.pciDrivers.contains(name) {
            return Finding(.vfioDriver, .ok, "VFIO driver", "\(name) is there.")
        }
        guard !snapshot.platform.isXenControlDomain else { return nil }
        return Finding(.vfioDriver, .ok, "VFIO driver", "\(name) is a module, and the claim loads it.")
    }

    private var framebuffer: Finding? {
        guard case .entries = snapshot.memoryMap, snapshot.kernel != nil else {
            return Finding(.framebuffer, .unknown, "Framebuffer", "What is in the card's BARs is not known.")
        }
        guard !plan.conflicts.isEmpty else {
            let isOpen = isRefused(.evidenceMissing, .contradictoryEvidence, .deviceUnreadable)
            return isOpen ? nil : Finding(.framebuffer, .ok, "Framebuffer", "Nothing is in the card's BARs.")
        }
        let list = plan.conflicts.map { conflict in
            "\(conflict.entry.name)\(conflict.device.map { " (\($0))" } ?? "") in BAR \(conflict.bar)"
        }.joined(separator: ", ")
        guard plan.refusals.isEmpty else {
            return Finding(
                .framebuffer, .note, "Framebuffer", "\(list). What clears it is decided when nothing stops the claim.")
        }
        let clearing: [PlanStep.Rung] = [.legacyVGA, .evict, .wait, .unload, .unbind, .bounce, .rescan]
        let rungs = clearing.filter { rung in plan.steps.contains { $0.rung == rung } }
        let names = rungs.isEmpty ? "the bind to VFIO" : "rung \(rungs.map(\.rawValue).joined(separator: ", "))"
        let isPlain = rungs.allSatisfy { $0 == .evict || $0 == .unbind }
        return Finding(.framebuffer, isPlain ? .ok : .note, "Framebuffer", "\(list). The claim clears it: \(names).")
    }

    private var risks: [Finding] { plan.warnings.map { Finding(.risk, .note, "Risk", $0) } }

    private var driver: Finding? {
        guard !gpu.isOnVFIO else { return nil }
        guard let driver = gpu.driver else {
            return Finding(.driver, .ok, "Host driver", "No driver has the card.")
        }
        if driver == "pciback" || driver == "xen-pciback" { return nil }
        return Finding(.driver, .ok, "Host driver", "\(driver) has the card, and the claim unbinds it.")
    }

    private var nvidia: Finding? {
        let cards = plan.functions.filter { $0.driver == NvidiaModules.core }
        guard !cards.isEmpty, !isRefused(.inUse) else { return nil }
        let modules = snapshot.nvidia.modules.map(\.name).joined(separator: ", ")
        guard !modules.isEmpty else {
            return Finding(.nvidiaModules, .unknown, "nvidia's modules", "Who uses them is not known.")
        }
        let isUnloaded = plan.steps.contains { $0.rung == .unload }
        if !isUnloaded, !stoppedUnits.isEmpty {
            return Finding(
                .nvidiaModules, .note, "nvidia's modules",
                "Whether they keep the card busy (\(modules)) is decided when the services have stopped.")
        }
        return Finding(
            .nvidiaModules, .ok, "nvidia's modules",
            isUnloaded ? "The claim unloads \(modules)." : "None of them keeps the card busy (\(modules)).")
    }

    private var stoppedUnits: [String] { plan.steps.filter { $0.action == .stopUnit }.map(\.target) }

    private var holders: Finding? {
        guard !isRefused(.inUse, .holdersUnknown) else { return nil }
        let group = gpu.iommuGroup.map { "/dev/vfio/\($0.number)" }
        let found = snapshot.holders(of: plan.functions) + snapshot.holders.filter { $0.node == group }
        let unique = Set(found).sorted { ($0.pid, $0.node) < ($1.pid, $1.node) }
        guard unique.isEmpty else {
            let list = unique.map(\.description).joined(separator: ", ")
            return Finding(
                .holders, .note, "Users",
                "\(list)." + (stoppedUnits.isEmpty ? "" : " The claim stops \(stoppedUnits.joined(separator: ", "))."),
                remedy: gpu.isOnVFIO ? "\(HolderRemedy.guest(unique)) before you release the card." : nil)
        }
        if let why = snapshot.holdersUnknown {
            return Finding(
                .holders, .unknown, "Users", "Whether a process has the card open is not known: \(why).",
                remedy: "Run it as root on the host.")
        }
        return Finding(.holders, .ok, "Users", "No process has the card open.")
    }

    // MARK: - The hardware

    private var bars: Finding? {
        guard !isRefused(.barUnassigned), !gpu.isDead else { return nil }
        let list = gpu.memoryBARs.map { "BAR \($0.index) \(ByteSize($0.range.size))" }.joined(separator: ", ")
        guard gpu.header != nil else {
            return Finding(
                .bars, .unknown, "BARs",
                "\(list.isEmpty ? "No BAR" : list) with an address. Whether another found no room is not known, as the "
                    + "configuration was not read.")
        }
        return Finding(.bars, .ok, "BARs", "\(list): each has an address.")
    }

    private var wideBARs: [BaseAddressRegister] { plan.functions.flatMap(\.memoryBARs).filter(\.is64Bit) }

    /// OVMF gives 64-bit BARs the upper eighth of the guest's addresses (`PlatformDynamicMmioWindow()` in edk2's
    /// OvmfPkg/Library/PlatformInitLib), and a BAR is as large as it is aligned.
    private var addressWidth: Finding? {
        let sizes = wideBARs.map(\.range.size)
        guard !sizes.isEmpty else { return nil }
        let sum = sizes.reduce(0, +)
        var needed = 3
        while needed < 64, UInt128(1) << UInt128(needed - 3) < sum { needed += 1 }
        needed = max(needed, 36)
        let what =
            "The 64-bit BARs take \(ByteSize(sum)); a guest with OVMF has room for them with phys-bits of \(needed)"
        let limit = facts.iommus.value?.compactMap(\.addressBits).min()
        guard case .known(let processor) = facts.processor, let bits = processor.addressBits else {
            let why = if case .unknown(let reason) = facts.processor { reason } else { "/proc/cpuinfo does not say" }
            return Finding(
                .addressWidth, .unknown, "Address width",
                "\(what) or more. What this processor has is not known: \(why).")
        }
        let most = min(bits, limit ?? bits)
        let has = "the processor has \(bits)" + (limit.map { " and the IOMMU translates \($0)" } ?? "")
        guard needed > most else {
            return Finding(.addressWidth, .ok, "Address width", "\(what)\(needed < most ? " to \(most)" : ""); \(has).")
        }
        return Finding(
            .addressWidth, .note, "Address width", "\(what) or more, but \(has).",
            remedy: "Make the BARs smaller (Resizable BAR in the firmware), or the guest's window larger: -fw_cfg "
                + "name=opt/ovmf/X-PciMmio64Mb,string=MEBIBYTES.")
    }

    private var resizableBAR: Finding? {
        guard let detail else { return unknown(.resizableBAR, "Resizable BAR") }
        let subject = "Resizable BAR"
        if let why = detail.resizingUnknown {
            return Finding(.resizableBAR, .unknown, subject, "The sizes that the BARs can have are not known: \(why).")
        }
        guard !detail.resizing.isEmpty else {
            guard snapshot.kernel?.showsResizableBARs == true else {
                return Finding(
                    .resizableBAR, .unknown, subject, "This kernel does not show which sizes the BARs can have.")
            }
            return Finding(.resizableBAR, .ok, subject, "No BAR can change its size.")
        }
        let parts = detail.resizing.sorted { $0.key < $1.key }.map { index, sizes in
            let current = gpu.memoryBARs.first { $0.index == index }.map { ByteSize($0.range.size).description }
            let all = (0..<44).filter { sizes >> UInt64($0) & 1 == 1 }.map { ByteSize(UInt128(1) << UInt128($0 + 20)) }
            let range = all.first.flatMap { first in all.last.map { "\(first) to \($0)" } } ?? "no size"
            return "BAR \(index) has \(current ?? "no address") and can have \(range)"
        }
        return Finding(.resizableBAR, .ok, subject, parts.joined(separator: "; ") + ". A guest cannot change it.")
    }

    private var reset: Finding? {
        guard let detail else { return unknown(.reset, "Reset") }
        // The list is hidden where it would be empty.
        let hidden: [String]? = snapshot.kernel?.listsResetMethods == true ? [] : nil
        guard let methods = detail.resetMethods ?? hidden else {
            return detail.canBeReset
                ? Finding(.reset, .ok, "Reset", "The kernel can reset the card, and does not say how.")
                : Finding(
                    .reset, .unknown, "Reset",
                    "The kernel shows no way to reset the card; before 5.15 it does not list them.")
        }
        // A function that shares its bus has no method `bus` (pci_parent_bus_reset() in drivers/pci/pci.c).
        guard !methods.isEmpty else {
            return Finding(
                .reset, .note, "Reset",
                "The kernel cannot reset the card alone. VFIO resets it with its bus or slot, if it has every function there "
                    + "and none is in use; on the root bus nothing does.",
                remedy: "--whole-slot takes every function of the slot.")
        }
        return Finding(
            .reset, .ok, "Reset",
            "The kernel resets the card by \(methods.joined(separator: ", "))\(methods.count > 1 ? ", in this order" : "")."
        )
    }

    private var power: Finding? {
        guard let detail else { return unknown(.power, "Power") }
        let state = [detail.power.state, detail.power.runtimeStatus].compactMap(\.self).joined(separator: ", ")
        guard !state.isEmpty else {
            return Finding(.power, .unknown, "Power", "The kernel does not show whether the card sleeps.")
        }
        let deepest = detail.mayLosePower.map { $0 ? " It may lose its power (D3cold)." : " It keeps its power." } ?? ""
        guard detail.power.isAsleep, detail.power.hasNoPower else {
            return Finding(.power, .ok, "Power", "Its state is \(state).\(deepest)")
        }
        return Finding(
            .power, .note, "Power", "Its state is \(state): a claim wakes it.\(deepest)",
            remedy:
                "If it does not wake up, write 0 to d3cold_allowed of the card and of the bridge above it, and boot.")
    }

    /// The file `rom` is there for a card with a ROM. Reading it would need a write, which enables the ROM.
    private var rom: Finding? {
        guard let detail else { return unknown(.rom, "ROM") }
        if gpu.physicalFunction != nil { return nil }
        if let range = gpu.resources.rom, range.start == 0xc0000 {
            return Finding(
                .rom, .note, "ROM",
                "At 0xc0000 is the shadow that the firmware ran from, and not the card's own ROM: a guest may not be able "
                    + "to use it.",
                remedy: "If the guest shows no boot screen, give it a file of the card's ROM (romfile=).")
        }
        if let size = detail.romSize {
            let bytes = size > 0 ? " of \(ByteSize(UInt128(size)))" : ""
            return Finding(.rom, .ok, "ROM", "The card has one\(bytes). Its contents were not read.")
        }
        return Finding(
            .rom, .note, "ROM",
            "The card shows none: its firmware is the machine's, as in many laptops and APUs, or it has none.",
            remedy: "If the guest's driver or boot screen needs it, give it a file of the card's ROM (romfile=).")
    }

    private func unknown(_ name: Finding.Name, _ subject: String) -> Finding {
        Finding(name, .unknown, subject, "It was not read.")
    }

    // MARK: - What the host loses

    private var screens: [Finding] {
        let last = LastDisplay.warning(taking: Set(plan.functions.map(\.address)), in: snapshot)
        let screen =
            last.map {
                Finding(
                    .lastScreen, .note, "Screen", $0,
                    remedy: "Keep another way into the host: the network, or a serial line.")
            } ?? Finding(.lastScreen, .ok, "Screen", "The claim does not take the host's last display device.")
        return [screen]
            + plan.notices.filter { $0 != last }.map { Finding(.hostLoses, .note, "Host", $0) }
    }
}
