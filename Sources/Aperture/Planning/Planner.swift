/// Makes the plan of a claim from a snapshot: a pure function, and the only place that decides what a claim writes.
package struct Planner: Sendable {
    private let snapshot: Snapshot
    private let address: PCIAddress
    private let options: ClaimOptions

    private init(_ snapshot: Snapshot, _ address: PCIAddress, _ options: ClaimOptions) {
        self.snapshot = snapshot
        self.address = address
        self.options = options
    }

    /// The plan for a GPU. It holds steps or refusals, never both; neither when the GPU is already on VFIO with no
    /// conflict in its BARs.
    package static func plan(
        for address: PCIAddress, in snapshot: Snapshot, options: ClaimOptions = ClaimOptions()
    ) -> Plan {
        Planner(snapshot, address, options).plan()
    }

    private func plan() -> Plan {
        guard let gpu = snapshot.function(at: address) else { return refused(nil, [missingRefusal()]) }
        guard gpu.pciClass.isGPU else { return refused(gpu, [classRefusal(gpu.pciClass)]) }
        // A function that could not be read might have to go with the GPU.
        let goesAlone = options.onlyFunction || gpu.physicalFunction != nil
        let unreadable = snapshot.unreadable.first { found in !goesAlone && found.address.sharesSlot(with: address) }
        if let unreadable { return refused(gpu, [readingRefusal(unreadable)]) }
        let selection = FunctionSelection(of: gpu, in: snapshot, options: options)
        let functions = selection.functions
        let drivers = drivers(of: functions)
        var refusals = functions.filter(\.isDead).map(deadRefusal)
        refusals += functions.compactMap(virtualFunctionsRefusal)
        refusals += additionRefusals(functions)
        let group = GroupGate(
            gpu: gpu, functions: functions, platform: snapshot.platform, kernel: snapshot.kernel,
            vfioDrivers: snapshot.vfioDrivers, dependencies: snapshot.hostDependencies)
        refusals += group.refusals()
        // The host cannot depend on a function that is on VFIO already.
        let host = HostGate.judge(
            taking: functions.filter { !$0.isOnVFIO }, leaving: group.obstacles(),
            dependencies: snapshot.hostDependencies, force: options.force, gpuGroup: gpu.iommuGroup?.number)
        refusals += host.refusals
        refusals += Set(functions.filter { !$0.isOnVFIO }.compactMap { drivers[$0.address] }).sorted()
            .compactMap(driverRefusal)
        refusals += functions.filter { !$0.unassignedBARs.isEmpty }.map(assignmentRefusal)
        if gpu.memoryBARs.isEmpty, gpu.unassignedBARs.isEmpty, gpu.header != nil, !gpu.isDead {
            refusals.append(emptyRefusal(gpu))
        }
        guard case .entries(let tree) = snapshot.memoryMap else {
            return refused(gpu, [memoryMapRefusal()] + refusals)
        }
        guard let kernel = snapshot.kernel else { return refused(gpu, [kernelRefusal()] + refusals) }

        let evidence = ConflictFinder(gpu: gpu, snapshot: snapshot, tree: tree).find()
        var steps = StepList(
            gpu: gpu, functions: functions, drivers: drivers, evidence: evidence, snapshot: snapshot, kernel: kernel,
            options: options)
        steps.build()
        refusals = evidence.refusals + refusals + steps.refusals
        return Plan(
            address: address, gpu: gpu, functions: functions, drivers: drivers, choices: selection.choices,
            conflicts: evidence.conflicts, attributions: evidence.attributions, refusals: refusals,
            steps: refusals.isEmpty ? steps.steps : [], warnings: refusals.isEmpty ? steps.warnings : [],
            notices: refusals.isEmpty && !steps.steps.isEmpty
                ? notices(host.warnings + steps.stops.losses, taking: functions) : [])
    }

    private func notices(_ losses: [String], taking functions: [PCIFunction]) -> [String] {
        losses + [LastDisplay.warning(taking: Set(functions.map(\.address)), in: snapshot)].compactMap(\.self)
    }

    private func drivers(of functions: [PCIFunction]) -> [PCIAddress: String] {
        Dictionary(
            uniqueKeysWithValues: functions.map { function in
                (function.address, snapshot.vfioDriver(for: function, of: address, options: options))
            })
    }

    // MARK: - Gates

    private func refused(_ gpu: PCIFunction?, _ refusals: [Refusal]) -> Plan {
        let selection = gpu.flatMap { gpu in
            gpu.pciClass.isGPU ? FunctionSelection(of: gpu, in: snapshot, options: options) : nil
        }
        let functions = selection?.functions ?? [gpu].compactMap(\.self)
        return Plan(
            address: address, gpu: gpu, functions: functions, drivers: drivers(of: functions),
            choices: selection?.choices ?? [], conflicts: [], attributions: [], refusals: refusals, steps: [],
            warnings: [], notices: [])
    }

    private func missingRefusal() -> Refusal {
        if let found = snapshot.unreadable.first(where: { $0.address == address }) { return readingRefusal(found) }
        if let pciClass = snapshot.classes[address] { return classRefusal(pciClass) }
        return Refusal(
            .noSuchDevice, "There is no PCI device at \(address).",
            remedy: "`apertured status` lists the GPUs of this machine.")
    }

    private func readingRefusal(_ found: Snapshot.Unreadable) -> Refusal {
        Refusal(
            .deviceUnreadable, "\(found.address) could not be read: \(found.reason).",
            remedy: "If the device was just added or removed, try again.")
    }

    private func classRefusal(_ pciClass: PCIClass) -> Refusal {
        Refusal(
            .notADisplayDevice,
            "\(address) has class \(pciClass), which is neither a display device nor an accelerator (1200) nor a "
                + "co-processor (0b40).",
            remedy: "Name the GPU's own function: `apertured status` lists them.")
    }

    private func deadRefusal(_ function: PCIFunction) -> Refusal {
        Refusal(
            .deadDevice,
            "\(function.address) does not answer: its configuration reads 0xff throughout. It fell off the bus, or does not "
                + "come back from D3cold.",
            remedy: "Switch the machine off and on. If that does not help, check the card's power supply and "
                + "d3cold_allowed of the bridge above it.")
    }

    private func virtualFunctionsRefusal(_ function: PCIFunction) -> Refusal? {
        let found = snapshot.virtualFunctions(of: function.address)
        let count = max(found.count, function.enabledVirtualFunctions)
        guard count > 0 else { return nil }
        let named = found.map { virtual in
            let users = snapshot.holders(of: virtual).map(\.description)
            return "\(virtual.address) (\(([virtual.driver ?? "no driver"] + users).joined(separator: ", ")))"
        }
        let list = named.isEmpty ? "" : ": \(named.joined(separator: "; "))"
        return Refusal(
            .hasVirtualFunctions,
            "\(function.address) has \(count) virtual function\(count == 1 ? "" : "s"), which would end with it\(list).",
            remedy: "Claim one of them instead, or stop their users and write 0 to "
                + "\(KernelPath.device(function.address))/sriov_numvfs.")
    }

    /// A function that `--function` names is taken or refused, and not silently left out.
    private func additionRefusals(_ functions: [PCIFunction]) -> [Refusal] {
        options.addedFunctions.sorted().filter { added in !functions.contains { $0.address == added } }.map { added in
            let what = snapshot.function(at: added) == nil ? "is not a function of the slot of" : "cannot go with"
            return Refusal(
                .noSuchDevice, "\(added) \(what) \(address).",
                remedy: "--function takes an endpoint of the GPU's own slot.")
        }
    }

    private func driverRefusal(_ driver: String) -> Refusal? {
        if snapshot.pciDrivers.contains(driver) { return snapshot.vfioDrivers.contains(driver) ? nil : noVFIO(driver) }
        // Under Xen VFIO does not work, and a missing driver is not the reason.
        if snapshot.platform.isXenControlDomain { return nil }
        if driver == VFIODrivers.generic {
            guard snapshot.vfioDriver == .missing else { return nil }
            return Refusal(
                .vfioPCIMissing, "The vfio-pci driver is neither registered nor among the kernel's modules.",
                remedy: "Install the running kernel's modules, then `modprobe vfio-pci`.")
        }
        if snapshot.vfioDrivers.module(of: driver) != nil { return nil }
        guard VFIODrivers.isNamed(driver) else { return noVFIO(driver) }
        return Refusal(
            .vfioPCIMissing,
            "The driver \(driver) is neither registered nor among the VFIO drivers of the kernel's modules.",
            remedy: "Load its module, or choose another driver.")
    }

    private func noVFIO(_ driver: String) -> Refusal {
        Refusal(
            .vfioPCIMissing, "\(driver) is not a VFIO driver: it would not hand the card to a guest.",
            remedy: "Choose vfio-pci, or a variant that modules.alias lists with vfio_pci:.")
    }

    private func assignmentRefusal(_ function: PCIFunction) -> Refusal {
        let bars = function.unassignedBARs.map { "BAR \($0)" }.joined(separator: ", ")
        let verb = function.unassignedBARs.count == 1 ? "has" : "have"
        return Refusal(
            .barUnassigned,
            "\(bars) of \(function.address) \(verb) no address: the kernel found no room. A guest would get a dead card.",
            remedy:
                "Switch on Above 4G Decoding (and Resizable BAR) in the firmware, boot with the card in place, or with "
                + "pci=realloc.")
    }

    private func emptyRefusal(_ gpu: PCIFunction) -> Refusal {
        Refusal(
            .barUnassigned,
            "\(gpu.address) has no memory BAR with an address. Every GPU has one, so the kernel found no room for it.",
            remedy:
                "Switch on Above 4G Decoding (and Resizable BAR) in the firmware, boot with the card in place, or with "
                + "pci=realloc.")
    }

    private func memoryMapRefusal() -> Refusal {
        if case .unreadable(let reason) = snapshot.memoryMap {
            return Refusal(
                .iomemUnreadable, "\(KernelPath.iomem) could not be read: \(reason).",
                remedy: "Without it the conflicts in the GPU's BARs are not known: report the file.")
        }
        return Refusal(
            .iomemMasked, "\(KernelPath.iomem) shows zeros instead of addresses.",
            remedy: "Run as root (CAP_SYS_ADMIN, in the first user namespace).")
    }

    private func kernelRefusal() -> Refusal {
        Refusal(
            .kernelUnknown, "\(KernelPath.osRelease) does not give a kernel version.",
            remedy: "How a framebuffer is removed depends on the version: make the file readable.")
    }
}
