/// Finds the owner of every foreign entry in the GPU's BARs, and refuses where the evidence does not decide.
struct ConflictFinder {
    /// What follows from the evidence.
    struct Result {
        var conflicts: [Conflict] = []
        var attributions: [Attribution] = []
        var refusals: [Refusal] = []
    }

    let gpu: PCIFunction
    let snapshot: Snapshot
    let tree: IomemTree

    func find() -> Result {
        var result = Result()
        result.attributions = AttributionFinder(gpu: gpu, snapshot: snapshot, tree: tree).attributions()
        let (findings, unlisted) = EntryFinder(tree: tree).findings(of: gpu)
        result.conflicts = findings.map { conflict($0, result.attributions) } + silentConflicts(result.attributions)
        result.refusals = unlisted.map(refusal(unlisted:))
        result.refusals += unreadable(result.attributions).compactMap(refusal(unreadable:))
        result.refusals += result.attributions.compactMap(refusal(attribution:))
        let isContradictory = result.refusals.contains { $0.code == .contradictoryEvidence }
        result.refusals += result.conflicts.compactMap(refusal(conflict:)).filter {
            // When the witnesses disagree, that refusal already explains an entry without an owner.
            $0.code != .framebufferHeld || !isContradictory
        }
        return result
    }

    private func conflict(_ finding: EntryFinder.Finding, _ attributions: [Attribution]) -> Conflict {
        let owner: Conflict.Owner
        var witnesses: [Witness] = [.iomem]
        if let kind = FramebufferDriver.kind(ofEntryNamed: finding.entry.name) {
            let attribution = attributions.first { $0.verdict == .inBAR && $0.device.kind == kind.deviceKind }
            witnesses = attribution?.witnesses ?? witnesses
            let device = attribution?.device
            // BOOTFB is the device's own, whether or not a driver is bound.
            owner = .framebuffer(device: device?.name, driver: device?.driver)
        } else if let driver = gpu.driver, NativeDriver.driver(driver, ownsEntryNamed: finding.entry.name) {
            owner = .nativeDriver(driver)
        } else {
            owner = .unknown
        }
        return Conflict(
            bar: finding.bar.index, entry: finding.entry, enclosing: finding.enclosing, owner: owner,
            witnesses: witnesses)
    }

    /// Framebuffers that draw into the GPU without a line in /proc/iomem.
    private func silentConflicts(_ attributions: [Attribution]) -> [Conflict] {
        attributions.filter { $0.verdict == .inBARUnlisted }.compactMap { attribution in
            guard
                let bar = gpu.memoryBARs.first(where: { bar in
                    attribution.namedRange.map(bar.range.overlaps) ?? true
                })
            else { return nil }
            return Conflict(
                bar: bar.index,
                entry: IomemEntry(range: attribution.namedRange ?? bar.range, name: attribution.device.name),
                owner: .framebuffer(device: attribution.device.name, driver: attribution.device.driver),
                witnesses: attribution.witnesses, isListed: false)
        }
    }

    // MARK: - What the evidence does not decide

    private func refusal(unlisted bar: BaseAddressRegister) -> Refusal {
        Refusal(
            .evidenceMissing,
            "BAR \(bar.index) of \(gpu.address) lies at \(bar.range), but \(KernelPath.iomem) has no such line.",
            remedy: "The device may just have moved: try again. If it stays so, report this file and `resource`.")
    }

    /// The framebuffers that may be on the GPU, legacy VGA included, and that could not be read.
    private func unreadable(_ attributions: [Attribution]) -> [PlatformFramebuffer] {
        // No firmware draws on an accelerator.
        guard gpu.pciClass.isDisplay else { return [] }
        let legacy = snapshot.platformFramebuffers.filter { $0.isLegacyVGA && gpu.bootVGA == true }
        let devices = attributions.filter { !$0.isElsewhere }.map(\.device) + legacy
        return devices.filter { $0.unreadable != nil }
    }

    /// Evicting the device would wait for the same lock, and it is not known what it reserves once the lock is
    /// released.
    private func refusal(unreadable device: PlatformFramebuffer) -> Refusal? {
        device.unreadable.map { reason in
            Refusal(
                .deviceUnreadable,
                "\(device.name), which may be on \(gpu.address), could not be read: \(reason).",
                remedy:
                    "If it was just bound or unbound, try again; if its lock is never released, only a reboot helps.")
        }
    }

    private func refusal(attribution: Attribution) -> Refusal? {
        let said = attribution.evidence.map(\.description).joined(separator: "; ")
        switch attribution.verdict {
        case .unrelated, .inBAR, .inBARUnlisted:
            return nil
        case .contradictory:
            return Refusal(
                .contradictoryEvidence,
                "The witnesses disagree on whether \(attribution.device.name) is on \(gpu.address): \(said).",
                remedy:
                    "Find out which of them is wrong. If it is on this GPU, unbind \(attribution.device.name) by hand.")
        case .insufficient:
            return Refusal(
                .evidenceMissing,
                "Only one witness puts \(attribution.device.name) on \(gpu.address), and \(KernelPath.iomem) has "
                    + "no entry for it: \(said).",
                remedy: "Two are needed: make /dev/fb0 and /sys/kernel/boot_params readable, or unbind it by hand.")
        }
    }

    private func refusal(conflict: Conflict) -> Refusal? {
        switch conflict.owner {
        case .unknown:
            let bound = gpu.driver.map { "is bound to \($0)" } ?? "has no driver"
            return Refusal(
                .unknownOwner,
                "BAR \(conflict.bar) of \(gpu.address) holds \(conflict.entry), which is not a known framebuffer, and "
                    + "the GPU \(bound).",
                remedy: "Find the driver that owns it and unbind that first.")
        case .framebuffer(nil, _) where !conflict.isResidue:
            return Refusal(
                .framebufferHeld,
                "BAR \(conflict.bar) of \(gpu.address) holds \(conflict.entry), whose platform device is gone: "
                    + "a process keeps its framebuffer open.",
                remedy: "End the process that holds /dev/fb0 (fuser -v /dev/fb0), and try again.")
        case .framebuffer, .nativeDriver:
            return nil
        }
    }
}

/// Finds the foreign entries in a GPU's BARs, in the tree of /proc/iomem.
struct EntryFinder {
    /// A foreign entry whose owner is not looked for yet.
    struct Finding {
        let bar: BaseAddressRegister
        let entry: IomemEntry
        /// Foreign entries around it, outermost first.
        let enclosing: [IomemEntry]
    }

    let tree: IomemTree

    /// The innermost foreign entries in every memory BAR, and the BARs that /proc/iomem has no line for.
    ///
    /// `pci_request_region()` walks down from the BAR's own line (named by the address), so bridge windows and other
    /// ranges around that line do not conflict. A framebuffer is the exception: a range equal to the BAR or larger can
    /// be inserted *above* its line (`insert_resource()`).
    func findings(of gpu: PCIFunction) -> (entries: [Finding], unlisted: [BaseAddressRegister]) {
        var entries: [Finding] = []
        var unlisted: [BaseAddressRegister] = []
        for bar in gpu.memoryBARs {
            let overlapping = tree.overlapping(bar.range)
            guard let own = overlapping.first(where: { isOwnLine($0, of: gpu, bar) }) else {
                unlisted.append(bar)
                continue
            }
            let around = Set(tree.ancestors(of: own))
            let foreign = overlapping.filter { index in
                let name = tree.entries[index].name
                if FramebufferDriver.kind(ofEntryNamed: name) != nil { return true }
                return index != own && !around.contains(index) && !isVFIOs(name, on: gpu)
            }
            entries += innermost(of: foreign, in: bar)
        }
        return (entries, unlisted)
    }

    /// Whether an entry in a BAR of a function on VFIO is VFIO's own. A region that a client uses through VFIO is named
    /// `vfio-pci` or, where VFIO itself maps a BAR, `vfio` (`vfio_pci_core_setup_barmap()`; since 7.2 every BAR, from
    /// the open on: `vfio_pci_core_map_bars()`).
    private func isVFIOs(_ name: String, on function: PCIFunction) -> Bool {
        function.isOnVFIO && (name == "vfio" || VFIODrivers.isNamed(name) || name == function.driver)
    }

    private func isOwnLine(_ index: Int, of gpu: PCIFunction, _ bar: BaseAddressRegister) -> Bool {
        tree.entries[index].range == bar.range && tree.entries[index].name == gpu.address.description
    }

    private func innermost(of foreign: [Int], in bar: BaseAddressRegister) -> [Finding] {
        let all = Set(foreign)
        let surrounding = foreign.map { index in tree.ancestors(of: index).filter(all.contains) }
        let covered = Set(surrounding.joined())
        return zip(foreign, surrounding).compactMap { index, ancestors in
            guard !covered.contains(index) else { return nil }
            let enclosing = ancestors.reversed().map { tree.entries[$0] }
            return Finding(bar: bar, entry: tree.entries[index], enclosing: enclosing)
        }
    }
}
