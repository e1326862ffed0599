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
