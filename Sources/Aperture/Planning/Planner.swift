/// Makes a plan of a snapshot: a pure function, and the only place where it is decided what will be written.
package struct Planner: Sendable {
    private let snapshot: Snapshot
    private let address: PCIAddress
    private let options: ClaimOptions

    private init(_ snapshot: Snapshot, _ address: PCIAddress, _ options: ClaimOptions) {
        self.snapshot = snapshot
        self.address = address
        self.options = options
    }

    /// The plan for a GPU. It holds steps or refusals, never both; neither when the GPU is already on vfio-pci with
    /// nothing in its BARs.
    package static func plan(
        for address: PCIAddress, in snapshot: Snapshot, options: ClaimOptions = ClaimOptions()
    ) -> Plan {
        Planner(snapshot, address, options).plan()
    }

    private func plan() -> Plan {
        guard let gpu = snapshot.function(at: address) else { return refused(nil, [missingRefusal()]) }
        guard gpu.pciClass.isDisplay else { return refused(gpu, [classRefusal(gpu.pciClass)]) }
        let functions = functions(with: gpu)
        let unreadable = snapshot.unreadable.first { found in
            !options.onlyFunction && found.address.sharesSlot(with: address)
        }
        if let unreadable { return refused(gpu, [readingRefusal(unreadable)], functions) }
        var refusals = GroupGate(functions: functions).refusals()
        if snapshot.vfioDriver == .missing { refusals.append(driverRefusal()) }
        refusals += functions.filter { !$0.resources.unassignedBARs.isEmpty }.map(assignmentRefusal)
        guard case .claims(let tree) = snapshot.memoryMap else {
            return refused(gpu, [memoryMapRefusal()] + refusals, functions)
        }
        guard let kernel = snapshot.kernel else { return refused(gpu, [kernelRefusal()] + refusals, functions) }

        let evidence = ConflictFinder(gpu: gpu, snapshot: snapshot, tree: tree).find()
        var steps = StepList(
            gpu: gpu, functions: functions, evidence: evidence, snapshot: snapshot, kernel: kernel, options: options)
        steps.build()
        refusals = evidence.refusals + refusals + steps.refusals
        return Plan(
            address: address, gpu: gpu, functions: functions, conflicts: evidence.conflicts,
            attributions: evidence.attributions, refusals: refusals, steps: refusals.isEmpty ? steps.steps : [],
            warnings: refusals.isEmpty ? steps.warnings : [])
    }

    /// A guest gets the whole card: every endpoint of the slot. Bridges stay.
    private func functions(with gpu: PCIFunction) -> [PCIFunction] {
        options.onlyFunction ? [gpu] : snapshot.slot(of: address).filter { $0 == gpu || !$0.pciClass.isBridge }
    }

    // MARK: - Gates

    private func refused(_ gpu: PCIFunction?, _ refusals: [Refusal], _ functions: [PCIFunction] = []) -> Plan {
        Plan(
            address: address, gpu: gpu, functions: gpu.map { functions.isEmpty ? [$0] : functions } ?? [],
            conflicts: [], attributions: [], refusals: refusals, steps: [], warnings: [])
    }

    private func missingRefusal() -> Refusal {
        if let found = snapshot.unreadable.first(where: { $0.address == address }) { return readingRefusal(found) }
        if let pciClass = snapshot.classes[address] { return classRefusal(pciClass) }
        return Refusal(
            .noSuchDevice, "There is no PCI device at \(address).",
            remedy: "`apertured status` lists the display devices of this machine.")
    }

    private func readingRefusal(_ found: Snapshot.Unreadable) -> Refusal {
        Refusal(
            .deviceUnreadable, "\(found.address) could not be read: \(found.reason).",
            remedy: "If the device was just added or removed, try again.")
    }

    private func classRefusal(_ pciClass: PCIClass) -> Refusal {
        Refusal(
            .notADisplayDevice, "\(address) has class \(pciClass), which is no display device.",
            remedy: "Name the GPU's own function; the other functions of its slot go with it.")
    }

    private func driverRefusal() -> Refusal {
        Refusal(
            .vfioPCIMissing, "The vfio-pci driver is neither registered nor among the kernel's modules.",
            remedy: "Install the running kernel's modules, then `modprobe vfio-pci`.")
    }

    private func assignmentRefusal(_ function: PCIFunction) -> Refusal {
        let bars = function.resources.unassignedBARs.map { "BAR \($0)" }.joined(separator: ", ")
        return Refusal(
            .barUnassigned, "\(bars) of \(function.address) has no address: the kernel found no room for it.",
            remedy: "A guest would get a dead card. Boot with the card in place, or with pci=realloc.")
    }

    private func memoryMapRefusal() -> Refusal {
        if case .unreadable(let reason) = snapshot.memoryMap {
            return Refusal(
                .iomemUnreadable, "\(KernelPath.iomem) could not be understood: \(reason).",
                remedy: "Nothing is known of the GPU's claims without it; report the file.")
        }
        return Refusal(
            .iomemMasked, "\(KernelPath.iomem) shows zeros instead of addresses.",
            remedy: "Run as root (CAP_SYS_ADMIN, in the first user namespace).")
    }

    private func kernelRefusal() -> Refusal {
        Refusal(
            .kernelUnknown, "\(KernelPath.osRelease) does not give a kernel version.",
            remedy: "What removes a framebuffer depends on the version; make the file readable.")
    }
}
