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
