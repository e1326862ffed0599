/// Whether the host can do without what a plan takes: a function that the host depends on is not taken silently.
package struct HostGate: Sendable {
    private let dependencies: [PCIAddress: [HostDependency]]
    private let force: Bool
    private let gpuGroup: Int?

    private init(_ dependencies: [PCIAddress: [HostDependency]], _ force: Bool, gpuGroup: Int? = nil) {
        self.gpuGroup = gpuGroup
        self.dependencies = dependencies
        self.force = force
    }

    /// The refusals and the warnings for what a plan takes.
    /// - Parameters:
    ///   - functions: The functions that the plan takes.
    ///   - members: The other members of their groups that would have to be unbound first, as their drivers do not let
    ///     VFIO have the group.
    ///   - dependencies: What of the host depends on each function.
    ///   - force: Whether `--force` is given: the refusals for `functions` are then warnings. Those for `members` stay,
    ///     as no option makes the kernel hand over a group that a host driver shares.
    ///   - gpuGroup: The number of the GPU's own IOMMU group.
    package static func judge(
        taking functions: [PCIFunction], leaving members: [IOMMUGroup.Member],
        dependencies: [PCIAddress: [HostDependency]], force: Bool, gpuGroup: Int? = nil
    ) -> (refusals: [Refusal], warnings: [String]) {
        let gate = HostGate(dependencies, force, gpuGroup: gpuGroup)
        var refusals: [Refusal] = []
        var warnings: [String] = []
        for function in functions {
            if let refusal = gate.refusal(function) {
                if force { warnings.append(refusal.message) } else { refusals.append(refusal) }
            }
            if let warning = gate.warning(function) { warnings.append(warning) }
        }
        let taken = Set(functions.map(\.address.description))
        refusals += members.filter { !taken.contains($0.name) }.compactMap(gate.refusal)
        return (refusals, warnings)
    }

    /// Whether the host depends on the member, or that is not known: then nobody is told to unbind it by hand.
    package static func holds(_ member: IOMMUGroup.Member, _ dependencies: [PCIAddress: [HostDependency]]) -> Bool {
        !HostGate(dependencies, false).grave(PCIAddress(member.name)).isEmpty
    }

    private func grave(_ address: PCIAddress?) -> [HostDependency] {
        address.flatMap { dependencies[$0] }?.filter { !$0.isWarning }.sorted() ?? []
    }

    private func refusal(_ function: PCIFunction) -> Refusal? {
        let grave = grave(function.address)
        guard !grave.isEmpty else { return nil }
        return Refusal(
            .hostDepends, "\(Self.name(function.address.description, function.driver)) \(Self.sentence(grave)).",
            remedy: (gpuGroup != nil && function.iommuGroup?.number == gpuGroup
                ? "Move what depends on it to another controller, or the card to another slot."
                : "Leave it to the host (--only-function takes the GPU alone), or move what depends on it to another "
                    + "controller.") + " --force takes it all the same.")
    }

    private func refusal(_ member: IOMMUGroup.Member) -> Refusal? {
        let grave = grave(PCIAddress(member.name))
        guard !grave.isEmpty else { return nil }
        return Refusal(
            .hostDepends,
            "\(Self.name(member.name, member.driver)), of the same IOMMU group, \(Self.sentence(grave)).",
            remedy: "This group cannot be handed over. Move the card to a slot with a group of its own, below a root "
                + "port with ACS; where only a companion of the GPU is in that group, --only-function takes the GPU alone."
        )
    }

    private func warning(_ function: PCIFunction) -> String? {
        let inputs = dependencies[function.address]?.filter(\.isWarning).sorted() ?? []
        guard !inputs.isEmpty else { return nil }
        let name = Self.name(function.address.description, function.driver)
        return "The host loses what is plugged in at \(name): \(Self.list(inputs))."
    }

    // MARK: - Words

    private static func name(_ address: String, _ driver: String?) -> String {
        "\(address) (\(driver ?? "no driver"))"
    }

    /// Says "may be" when nothing but unknown dependencies was found.
    private static func sentence(_ grave: [HostDependency]) -> String {
        let isKnown = grave.contains { if case .unknown = $0.kind { false } else { true } }
        return (isKnown ? "is in use by the host: " : "may be in use by the host: ") + list(grave)
    }

    /// A disk can have a hundred volumes and mounts: four of them show which disk it is.
    private static func list(_ dependencies: [HostDependency]) -> String {
        let named = dependencies.prefix(4).map(\.description)
        let rest = dependencies.count - named.count
        return (named + (rest > 0 ? ["\(rest) more"] : [])).joined(separator: "; ")
    }
}

/// Whether the host keeps a display device that it can draw on.
///
/// It sees what the snapshot shows: PCI display devices with their drivers, platform framebuffers, and every `/dev/fbN`
/// (USB adapters and displays on no bus have one where DRM's fbdev emulation is on). It does not see a DRM device that
/// has neither a PCI function nor such a node, and does not ask whether a monitor is plugged in.
package struct LastDisplay: Sendable {
    private let snapshot: Snapshot
    /// Where each bound platform framebuffer is; one whose place is not known is left out.
    private let places: [String: Place]

    private enum Place: Hashable {
        case function(PCIAddress)
        /// In memory of no PCI display device: a board's own screen.
        case elsewhere
    }

    private init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        let bound = snapshot.platformFramebuffers.filter { $0.driver != nil }
        let found = bound.compactMap { device in Self.place(of: device, in: snapshot).map { (device.name, $0) } }
        places = Dictionary(found) { first, _ in first }
    }

    /// A warning, when the host can draw on one of these functions and on nothing else; `nil` otherwise.
    package static func warning(taking functions: Set<PCIAddress>, in snapshot: Snapshot) -> String? {
        let display = LastDisplay(snapshot)
        let drawable = snapshot.gpus.filter(display.canBeDrawnOn).map(\.address)
        guard drawable.contains(where: functions.contains), drawable.allSatisfy(functions.contains) else { return nil }
        guard !display.hasScreenElsewhere else { return nil }
        return "This is the last display device that the host can draw on: its screen stays dark until the release."
    }

    private func canBeDrawnOn(_ function: PCIFunction) -> Bool {
        // A 3D controller (class 0302) has no connector, and neither has a virtual function.
        guard function.pciClass.isDisplay, function.pciClass.code != 0x0302, function.physicalFunction == nil,
            !function.isDead
        else { return false }
        if let driver = function.driver { return !function.isOnVFIO && !Self.handsOver(driver) }
        let isVGAText = function.bootVGA == true && snapshot.consoles.contains { $0.isVGAText && $0.isBound == true }
        return isVGAText || places.values.contains(.function(function.address))
    }

    /// Whether the driver, which is not VFIO's, keeps its device for user space or for another domain.
    private static func handsOver(_ driver: String) -> Bool { ["pci-stub", "pciback", "xen-pciback"].contains(driver) }

    // MARK: - Framebuffers

    /// Whether there is a framebuffer of no PCI device, such as a USB adapter's or a board's.
    private var hasScreenElsewhere: Bool {
        let platform = Set(snapshot.platformFramebuffers.map(\.name))
        let others = snapshot.framebuffers.compactMap(\.device).filter { device in
            // vkms draws only into memory.
            PCIAddress(device) == nil && !platform.contains(device) && device != "vkms"
        }
        return !others.isEmpty || places.values.contains(.elsewhere)
    }

    /// Where the framebuffer is, by the first of these that tells: the kernel's own parent link, legacy VGA, the
    /// ranges.
    private static func place(of device: PlatformFramebuffer, in snapshot: Snapshot) -> Place? {
        if let parent = device.parent { return .function(parent) }
        if device.isLegacyVGA {
            return snapshot.gpus.first { $0.bootVGA == true }.map { .function($0.address) }
        }
        let ranges = ranges(of: device, in: snapshot)
        let function = snapshot.gpus.first { function in
            ranges.contains { function.memoryBAR(overlapping: $0) != nil }
        }
        return function.map { .function($0.address) } ?? (ranges.isEmpty ? nil : .elsewhere)
    }

    private static func ranges(of device: PlatformFramebuffer, in snapshot: Snapshot) -> [AddressRange] {
        var ranges = snapshot.framebuffers.filter { $0.device == device.name }.compactMap(\.memory)
        if case .entries(let tree) = snapshot.memoryMap {
            let names = FramebufferDriver.entryNames(ofDeviceKind: device.kind) + [device.name]
            ranges += tree.entries.filter { names.contains($0.name) }.map(\.range)
        }
        return ranges
    }
}
