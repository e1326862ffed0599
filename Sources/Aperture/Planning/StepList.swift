/// Orders the steps of one claim.
///
/// The order matters. Services that have the card open are stopped before anything else is touched. The override is set
/// next, so that no native driver can bind in between. A framebuffer is evicted before its card is removed, or it would
/// go on drawing at the old address. A GPU's companions are unbound before the GPU that they depend on. vfio-pci is bound
/// last, when the BARs are free.
struct StepList {
    let gpu: PCIFunction
    let functions: [PCIFunction]
    /// The VFIO driver of each function.
    let drivers: [PCIAddress: String]
    let evidence: ConflictFinder.Result
    /// Without the holders that the plan's own first steps end.
    let snapshot: Snapshot
    let stops: StopGate
    let kernel: KernelRelease
    let options: ClaimOptions

    private(set) var steps: [PlanStep] = []
    private(set) var refusals: [Refusal] = []
    private(set) var warnings: [String] = []

    init(
        gpu: PCIFunction, functions: [PCIFunction], drivers: [PCIAddress: String], evidence: ConflictFinder.Result,
        snapshot: Snapshot, kernel: KernelRelease, options: ClaimOptions
    ) {
        self.gpu = gpu
        self.functions = functions
        self.drivers = drivers
        self.evidence = evidence
        stops = StopGate(
            functions.filter { !$0.isOnVFIO }, evidence.conflicts, snapshot: snapshot, options: options)
        self.snapshot = stops.snapshot
        self.kernel = kernel
        self.options = options
    }

    mutating func build() {
        let unclaimed = functions.filter { !$0.isOnVFIO }
        let conflicts = evidence.conflicts
        let ladder = residueLadder(conflicts)
        prepare(unclaimed)
        steps += stops.steps
        for function in unclaimed { override(function) }
        if gpu.bootVGA == true { legacyVGA() }
        // A native driver's probe removes a framebuffer together with its driver; some kernels keep one without a
        // driver.
        let isBounced = ladder?.steps.first?.rung == .bounce
        evict(conflicts.filter { !(isBounced && $0.residue != nil) })
        wait(conflicts.filter(\.isHeld))
        let nvidia = NvidiaGate(unclaimed, snapshot: snapshot, options: options, isStopping: !stops.units.isEmpty)
        steps += nvidia.steps
        refusals += nvidia.refusals
        for function in unclaimed.reversed() where !nvidia.decides(on: function) { unbind(function) }
        if let ladder {
            steps += ladder.steps
            refusals += ladder.refusals
            warnings += ladder.warnings
        }
        // A rescanned GPU comes back without a driver.
        let returns = steps.contains { $0.rung == .rescan }
        for function in functions where !function.isOnVFIO || (returns && function == gpu) { bind(function) }
        refuseWhileInUse()
    }

    private func driver(of function: PCIFunction) -> String { drivers[function.address] ?? VFIODrivers.generic }

    /// Every claim ends with a proof, which VFIO refuses while a guest has the card.
    private mutating func refuseWhileInUse() {
        let claimed = functions.filter(\.isOnVFIO)
        let users = snapshot.holders(of: claimed)
        guard !steps.isEmpty, !users.isEmpty else { return }
        refusals.append(
            Refusal(
                .inUse, "The card is in use: \(list(users)).",
                remedy: "\(HolderRemedy.guest(users)), then claim again."))
    }

    // MARK: - Steps

    /// Loads the VFIO drivers that are missing. A variant's exact name is only known once its module is loaded; the
    /// snapshot is read again then.
    private mutating func prepare(_ unclaimed: [PCIFunction]) {
        for driver in Set(unclaimed.map(driver(of:))).sorted() where isToBeLoaded(driver) {
            let module = snapshot.vfioDrivers.module(of: driver)
            steps.append(
                PlanStep(
                    action: .loadDriver, rung: .prepare, target: driver, effect: .load(module: module ?? driver),
                    reason: "\(driver) is a module and not loaded yet",
                    expectation: .exists(
                        module.map { "\(KernelPath.modules)/\($0)" } ?? "\(KernelPath.pciDrivers)/\(driver)")))
        }
    }

    private func isToBeLoaded(_ driver: String) -> Bool {
        driver == VFIODrivers.generic ? snapshot.vfioDriver == .loadable : !snapshot.pciDrivers.contains(driver)
    }

    private mutating func override(_ function: PCIFunction) {
        let driver = driver(of: function)
        guard function.driverOverride != driver else { return }
        steps.append(
            .setOverride(
                of: function.address, to: driver, rung: .override,
                reason: "no other driver may take \(function.address) meanwhile"))
    }

    /// Takes the boot VGA device from the text console and vga16fb. `aperture_remove_conflicting_pci_devices()` does
    /// the same for the primary VGA device, through `aperture_remove_legacy_vga_devices()`.
    private mutating func legacyVGA() {
        for console in snapshot.consoles where console.isVGAText && console.isBound != false {
            guard console.isBound == true else {
                unreadable(console)
                continue
            }
            // Its own `bind` ignores what is written: only binding another console driver takes its terminals. The
            // kernel's helper binds dummy_con for this, which user space cannot name.
            let successors = snapshot.consoles.filter { $0.canBeSwitched && $0.isBound != true }
            guard let successor = successors.first(where: { $0.isBound == false }) else {
                if let console = successors.first {
                    unreadable(console)
                    continue
                }
                let next =
                    gpu.pciClass.isVGA && kernel.vfioEvictsVGA
                    ? "vfio-pci removes it when it binds." : "it goes on writing to 0xb8000, which the guest will own."
                warnings.append("No other console driver can take over \(console.name): \(next)")
                continue
            }
            steps.append(
                PlanStep(
                    action: .handOverConsole, rung: .legacyVGA, target: "vtcon\(successor.number)",
                    effect: .switchConsole(successor.number, isBound: true),
                    reason:
                        "\(console.name) writes to 0xb8000 of the boot VGA device: \(successor.name) takes its terminals",
                    expectation: .attribute("1")))
        }
        for device in snapshot.platformFramebuffers where device.driver == FramebufferDriver.vga16fb {
            evict(device, rung: .legacyVGA, reason: "vga16fb draws to 0xa0000 of the boot VGA device")
        }
    }

    /// Refuses: without an answer it is not known whether the text console draws on the boot VGA device, nor which
    /// console driver can take its terminals.
    private mutating func unreadable(_ console: VirtualConsole) {
        refusals.append(
            Refusal(
                .deviceUnreadable,
                "Whether vtcon\(console.number) (\(console.name)) is bound could not be read, and the VGA text console may "
                    + "draw on \(gpu.address): \(console.unreadable ?? "no answer").",
                remedy:
                    "If one was just bound or unbound, try again; if its lock is never released, only a reboot helps."
            ))
    }

    private mutating func evict(_ conflicts: [Conflict]) {
        var evicted: Set<String> = []
        for conflict in conflicts {
            guard case .framebuffer(let name?, _) = conflict.owner, evicted.insert(name).inserted else { continue }
            guard let device = snapshot.platformFramebuffers.first(where: { $0.name == name }) else { continue }
            let witnesses = conflict.witnesses.map(\.rawValue).joined(separator: ", ")
            evict(
                device, rung: .evict, reason: "\(conflict.entry) lies in BAR \(conflict.bar) (witnesses: \(witnesses))")
        }
    }

    private mutating func evict(_ device: PlatformFramebuffer, rung: PlanStep.Rung, reason: String) {
        let path = KernelPath.platformDevice(device.name)
        // The override comes first: between an unbind and a later override, a module load could bind the device again.
        if device.driverOverride != KernelPath.vfioDriver {
            steps.append(
                PlanStep(
                    action: .setFramebufferOverride, rung: rung, target: device.name,
                    effect: .setOverride(KernelPath.vfioDriver, of: path),
                    reason: "no framebuffer driver, loaded now or later, may bind \(device.name) again",
                    expectation: .attribute(KernelPath.vfioDriver)))
        }
        if gpu.pciClass.isVGA, kernel.vfioEvictsVGA {
            warnings.append(
                "Binding vfio-pci makes the kernel drop \(device.name): the firmware console cannot come back before a "
                    + "reboot.")
        }
        guard let driver = device.driver else { return }
        let holders = snapshot.holders(ofDevice: device.name)
        if !holders.isEmpty { warnings.append("\(list(holders)): the entry in the BAR can outlive the unbind.") }
        // Before 5.18 efifb's fb_destroy() used freed memory when its node was open during the unbind.
        if !holders.isEmpty, kernel.heldUnbindCrashes {
            refusals.append(
                Refusal(
                    .framebufferHeld,
                    "\(list(holders)), and kernel \(kernel) can crash when \(device.name) is unbound.",
                    remedy: "\(HolderRemedy.ending(holders))."))
        } else if kernel.heldUnbindCrashes, let unknown = use.refusal(unbinding: device) {
            refusals.append(unknown)
        }
        steps.append(
            PlanStep(
                action: .unbindFramebuffer, rung: rung, target: device.name,
                effect: .unbind(device.name, from: driver, on: .platform), reason: reason,
                expectation: .driver(ofDevice: path, is: nil)))
    }

    private mutating func wait(_ held: [Conflict]) {
        for conflict in held {
            let node = snapshot.framebuffers.first { $0.device == conflict.device }?.path ?? "/dev/fb0"
            let holders = conflict.device.map(snapshot.holders(ofDevice:)) ?? []
            let who = holders.isEmpty ? "no driver is bound, yet the entry is there" : list(holders)
            steps.append(
                PlanStep(
                    action: .awaitRelease, rung: .wait, target: conflict.device ?? conflict.entry.name,
                    effect: .wait(for: conflict.entry, node: node),
                    reason: "\(conflict.entry) ends with the last close: \(who)", expectation: .seen))
        }
    }

    private mutating func unbind(_ function: PCIFunction) {
        guard let driver = function.driver else { return }
        refusals += use.refusals(unbinding: function)
        steps.append(.unbind(function.address, from: driver, rung: .unbind, reason: "\(driver) drives it for the host"))
    }

    private func residueLadder(_ conflicts: [Conflict]) -> ResidueLadder? {
        guard let conflict = conflicts.first(where: { $0.residue != nil }) else { return nil }
        var ladder = ResidueLadder(
            gpu: gpu, vfioDriver: driver(of: gpu), functions: functions, slot: snapshot.slot(of: gpu.address),
            conflict: conflict, kernel: kernel, options: options, holders: snapshot.holders,
            holdersUnknown: snapshot.holdersUnknown,
            drivers: snapshot.pciDrivers)
        ladder.climb()
        return ladder
    }

    private mutating func bind(_ function: PCIFunction) {
        let driver = driver(of: function)
        steps.append(
            PlanStep(
                action: .bindVFIO, rung: .bind, target: function.address.description, effect: .probe(function.address),
                reason: "the override makes \(driver) the only match",
                expectation: .driver(ofDevice: KernelPath.device(function.address), is: driver)))
    }

    private var use: UseGate { UseGate(snapshot: snapshot, options: options) }

    private func list(_ holders: [Holder]) -> String {
        holders.map(\.description).joined(separator: ", ")
    }
}

extension PlanStep {
    /// Writes a driver's name to a function's `driver_override`.
    static func setOverride(of address: PCIAddress, to driver: String, rung: Rung, reason: String) -> PlanStep {
        PlanStep(
            action: .setDriverOverride, rung: rung, target: address.description,
            effect: .setOverride(driver, of: KernelPath.device(address)), reason: reason,
            expectation: .attribute(driver))
    }

    /// Unbinds a function from its PCI driver.
    static func unbind(_ address: PCIAddress, from driver: String, rung: Rung, reason: String) -> PlanStep {
        PlanStep(
            action: .unbindDriver, rung: rung, target: address.description,
            effect: .unbind(address.description, from: driver, on: .pci), reason: reason,
            expectation: .driver(ofDevice: KernelPath.device(address), is: nil))
    }
}
