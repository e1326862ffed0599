/// Whether the host can do without what a plan takes: a function that the host lives on is not taken silently.
package struct HostGate: Sendable {
    private let dependencies: [PCIAddress: [HostDependency]]
    private let force: Bool
    private let gpuGroup: Int?

    private init(_ dependencies: [PCIAddress: [HostDependency]], _ force: Bool, gpuGroup: Int? = nil) {
        self.gpuGroup = gpuGroup
        self.dependencies = dependencies
        self.force = force
    }

    /// - Parameters:
    ///   - functions: What the plan takes.
    ///   - members: The members of their groups that it does not take, and that would have to be unbound first: bound to a
    ///     driver that does not let VFIO have the group.
    ///   - gpuGroup: The GPU's own IOMMU group.
    ///   - force: Whether the person goes on; the refusals for `functions` are warnings then. Those for `members` stay: no
    ///     word of the person's makes the kernel hand over a group that a host driver shares.
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

    /// Whether the host lives on the member, or that is not known: then it is not one to be unbound by hand.
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
                ? "Move what hangs there to another controller, or the card to another slot."
                : "Leave it to the host (--only-function takes the GPU alone), or move what hangs there to another "
                    + "controller.") + " --force goes on.")
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

    /// Reading that failed is no use by the host, and is not called so.
    private static func sentence(_ grave: [HostDependency]) -> String {
        let isKnown = grave.contains { if case .unknown = $0.kind { false } else { true } }
        return (isKnown ? "is what the host lives on: " : "may be what the host lives on: ") + list(grave)
    }

    /// A disk can have a hundred volumes and mounts; who reads a refusal wants to know which disk it is.
    private static func list(_ dependencies: [HostDependency]) -> String {
        let named = dependencies.prefix(4).map(\.description)
        let rest = dependencies.count - named.count
        return (named + (rest > 0 ? ["\(rest) more"] : [])).joined(separator: "; ")
    }
}
