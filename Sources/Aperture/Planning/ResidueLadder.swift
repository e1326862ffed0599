/// The steps against residue: the entry of a platform *device*, `BOOTFB`, which stays when the driver is unbound.
///
/// Two rungs end it. A native driver's probe makes the kernel drop the platform device (6.0 and later) and leaves the
/// BARs where they are, but initialises the card. A PCI remove and rescan releases the BAR with everything below it,
/// and may give the card new addresses; before 6.9 the orphaned range keeps a pointer to a freed parent.
struct ResidueLadder {
    let gpu: PCIFunction
    /// The VFIO driver that the GPU is to have.
    let vfioDriver: String
    let functions: [PCIFunction]
    let slot: [PCIFunction]
    let conflict: Conflict
    let kernel: KernelRelease
    let options: ClaimOptions
    let holders: [Holder]
    /// Why there may be more holders; `nil` when every process was seen.
    let holdersUnknown: String?
    /// The registered PCI drivers.
    let drivers: Set<String>

    private(set) var steps: [PlanStep] = []
    private(set) var refusals: [Refusal] = []
    private(set) var warnings: [String] = []

    init(
        gpu: PCIFunction, vfioDriver: String, functions: [PCIFunction], slot: [PCIFunction], conflict: Conflict,
        kernel: KernelRelease, options: ClaimOptions, holders: [Holder], holdersUnknown: String?, drivers: Set<String>
    ) {
        self.holdersUnknown = holdersUnknown
        self.drivers = drivers
        self.gpu = gpu
        self.vfioDriver = vfioDriver
        self.functions = functions
        self.slot = slot
        self.conflict = conflict
        self.kernel = kernel
        self.options = options
        self.holders = holders
    }

    mutating func climb() {
        // For a VGA card, binding vfio-pci itself drops the platform device (sysfb_disable()). The next snapshot shows
        // what is left.
        if gpu.pciClass.isVGA, isDroppedUnbound, !gpu.isOnVFIO, options.residue == .auto { return }
        switch options.residue {
        case .auto where kernel.removalFreesBootFB: rescan()
        case .auto where kernel.nativeProbeDropsFramebuffer && allowedDriver != nil: bounce()
        case .auto: refuse("kernel \(kernel) is older than 6.9", remedy: autoRemedy)
        case .bounce: bounce()
        case .rescan: rescan()
        case .refuse: refuse("--residue refuse was given", remedy: "Allow another rung: --residue auto.")
        }
    }

    /// Whether the kernel's helper drops the platform device even when no driver is bound to it. `sysfb_disable()`
    /// does, for sysfb's own device and not for coreboot's or a device tree's; from 6.4 to 6.10 only for the boot VGA
    /// device.
    private var isDroppedUnbound: Bool {
        let isSysfbs = ([conflict.entry] + conflict.enclosing).contains { $0.name == "BOOTFB" }
        guard isSysfbs, kernel.nativeProbeDropsFramebuffer else { return false }
        return !kernel.sysfbDisableIsForBootVGA || gpu.bootVGA == true
    }

    /// The entry that stays.
    private var residue: IomemEntry { conflict.residue ?? conflict.entry }

    private var device: String { conflict.device ?? "the framebuffer's device" }

    private var allowedDriver: NativeDriver? {
        options.allowedNativeDrivers.sorted().lazy.compactMap(NativeDriver.bouncing(named:)).first
    }

    private var autoRemedy: String {
        let rescan =
            "`--residue rescan` removes and rescans the GPU all the same; on this kernel the orphaned range keeps "
            + "a pointer to freed memory, so later reads of /proc/iomem are at risk until the next boot."
        let bounce = "`--allow-native DRIVER` lets the GPU's own driver probe it once, which ends the entry. "
        return kernel.nativeProbeDropsFramebuffer ? bounce + rescan : rescan
    }

    // MARK: - Rungs

    private mutating func bounce() {
        guard kernel.nativeProbeDropsFramebuffer else {
            return refuse(
                "before 6.0 a native driver's probe leaves the range in place (kernel \(kernel))", remedy: autoRemedy)
        }
        guard let native = allowedDriver else {
            let names = NativeDriver.allowedToBounce.map(\.module).joined(separator: ", ")
            return refuse(
                "no native driver is allowed to probe \(gpu.address)",
                remedy: "Name one with --allow-native: \(names).")
        }
        // A device with a bound driver is dropped with it, whoever made the device.
        guard conflict.driver != nil || isDroppedUnbound else {
            return refuse(
                "no framebuffer driver is bound to \(device), and kernel \(kernel) drops it at a probe only with one",
                remedy: "Bind its framebuffer driver again first, or give --residue rescan.")
        }
        let reason = "\(native.driver)'s probe makes the kernel drop the platform device behind \(residue)"
        // A registered driver needs no modprobe: in the unit's sandbox modprobe cannot see the modules.
        if !drivers.contains(native.driver) {
            steps.append(
                PlanStep(
                    action: .loadDriver, rung: .bounce, target: native.driver, effect: .load(module: native.module),
                    reason: "\(native.driver) is to probe the card once",
                    expectation: .exists("\(KernelPath.pciDrivers)/\(native.driver)")))
        }
        steps += [
            PlanStep(
                action: .clearDriverOverride, rung: .bounce, target: gpu.address.description,
                effect: .setOverride(nil, of: KernelPath.device(gpu.address)),
                reason: "the override would keep \(native.driver) off", expectation: .attribute(nil)),
            PlanStep(
                action: .bindNative, rung: .bounce, target: gpu.address.description,
                effect: .bind(gpu.address.description, to: native.driver, on: .pci), reason: reason,
                expectation: .driver(ofDevice: KernelPath.device(gpu.address), is: native.driver)),
            .setOverride(
                of: gpu.address, to: vfioDriver, rung: .bounce, reason: "the native driver had its one probe"),
            .unbind(gpu.address, from: native.driver, rung: .bounce, reason: "the native driver had its one probe"),
        ]
        warnings.append(
            "\(native.driver) will initialise \(gpu.address) once, and the kernel drops \(device) for good: the firmware "
                + "console cannot come back before a reboot.")
    }

    private mutating func rescan() {
        // Removing a device that a guest has open blocks in the kernel. StepList refuses for a guest that is seen.
        let isInUse = holders.contains { gpu.nodes.contains($0.node) }
        if gpu.isOnVFIO, !isInUse, !options.force, let holdersUnknown {
            refusals.append(.holdersUnknown("\(gpu.address)", why: holdersUnknown, canForce: true))
            return
        }
        let address = gpu.address.description
        let reason = "\(residue) belongs to a platform device and outlives its driver (kernel \(kernel))"
        steps = [
            PlanStep(
                action: .removeDevice, rung: .rescan, target: address, effect: .remove(gpu.address),
                reason: reason, expectation: .gone(KernelPath.device(gpu.address))),
            PlanStep(
                action: .rescanBus, rung: .rescan, target: address,
                effect: .rescan(expecting: gpu.address, override: vfioDriver),
                reason: "the kernel finds \(address) again and gives it clean BARs",
                expectation: .returned(gpu.address, override: vfioDriver)),
        ]
        // Seen on 6.12: a sibling keeps its driver while function 0 of its slot is removed and found again.
        let planned = Set(functions.map(\.address))
        let staying = slot.filter { !planned.contains($0.address) && $0.driver != nil }
        if !staying.isEmpty {
            let names = staying.map { "\($0.address) (\($0.driver ?? ""))" }.joined(separator: ", ")
            warnings.append("\(address) alone is removed: meanwhile the rest of its slot keeps its drivers, \(names).")
        }
        warnings.append(
            "\(address) is removed and found again: its BARs may get new addresses, and "
                + (kernel.removalFreesBootFB
                    ? "\(device) goes with it: the firmware console cannot come back before a reboot."
                    : "\(residue) is not reserved again before a reboot."))
        if !kernel.removalFreesBootFB {
            warnings.append(
                "On kernel \(kernel) the orphaned \(residue.name) range keeps a pointer to freed memory.")
        }
    }

    private mutating func refuse(_ why: String, remedy: String) {
        refusals.append(
            Refusal(
                .residueNeedsRescan,
                "\(residue) stays in BAR \(conflict.bar) of \(gpu.address) when its driver is unbound, and "
                    + "\(why).",
                remedy: remedy))
    }
}

/// A PCI driver that is made for GPUs, and not for handing them over.
package struct NativeDriver: Hashable, Sendable {
    /// The module, as modprobe knows it.
    package let module: String
    /// The name under `/sys/bus/pci/drivers`.
    package let driver: String

    /// The drivers whose probe calls the kernel's aperture helper before it touches the card, and whose unbind leaves
    /// the card usable: only these may probe a card once.
    package static let allowedToBounce = [
        NativeDriver(module: "amdgpu", driver: "amdgpu"),
        NativeDriver(module: "bochs", driver: "bochs-drm"),
        NativeDriver(module: "i915", driver: "i915"),
        NativeDriver(module: "nouveau", driver: "nouveau"),
        NativeDriver(module: "radeon", driver: "radeon"),
        NativeDriver(module: "xe", driver: "xe"),
    ]

    /// The driver of ``allowedToBounce`` with this module or driver name, or `nil`.
    package static func bouncing(named name: String) -> NativeDriver? {
        allowedToBounce.first { $0.module == name || $0.driver == name }
    }

    /// Whether an entry in a BAR has the name of the driver that is bound to the GPU: the same name, the same name with
    /// more behind it (`bochs` and `bochs-drm`, `virtio-pci` and `virtio-pci-modern`), or the name that one of a few
    /// drivers gives its regions instead.
    package static func driver(_ driver: String, ownsEntryNamed name: String) -> Bool {
        let driver = plain(driver)
        let name = plain(name)
        let known = ["mgag200": "mgadrmfb", "cirrus": "cirrusdrmfb"]
        return name.hasPrefix(known[driver] ?? driver)
    }

    /// Without `-`, `_` and case, in which the names of modules, drivers and regions differ.
    private static func plain(_ name: String) -> String {
        name.lowercased().filter { $0 != "-" && $0 != "_" }
    }
}
