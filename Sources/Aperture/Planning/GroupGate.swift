/// Whether the functions can be isolated: each in an IOMMU group that no host driver shares (`vfio_group_viable()`,
/// since 5.19 `iommu_group_claim_dma_owner()`).
struct GroupGate {
    let gpu: PCIFunction
    let functions: [PCIFunction]
    let platform: HostPlatform
    let kernel: KernelRelease?
    let vfioDrivers: VFIODrivers
    let dependencies: [PCIAddress: [HostDependency]]

    /// Drivers that do no DMA on behalf of the host (`driver_managed_dma` in struct pci_driver), beside VFIO's.
    private static let managedDrivers: Set<String> = ["pcieport", "pci-stub"]

    func refusals() -> [Refusal] {
        let ungrouped = functions.filter { $0.iommuGroup?.isNoIOMMU ?? true }
        guard ungrouped.isEmpty else { return [refusal(ungrouped)] }
        return groups.compactMap(refusal)
    }

    /// The members of the groups that keep a group from being used: they are not among the functions, and have a host
    /// driver.
    func obstacles() -> [IOMMUGroup.Member] { groups.flatMap(obstacles) }

    private var groups: [IOMMUGroup] {
        var groups: [IOMMUGroup] = []
        for case let group? in functions.map(\.iommuGroup) where !groups.contains(where: { $0.number == group.number })
        {
            groups.append(group)
        }
        return groups
    }

    private func refusal(_ ungrouped: [PCIFunction]) -> Refusal {
        let names = ungrouped.map(\.address.description).joined(separator: ", ")
        let what = "\(names) \(ungrouped.count == 1 ? "is" : "are") in no IOMMU group"
        if platform.isXenControlDomain {
            return Refusal(
                .noIOMMU, "\(what): this is a Xen control domain (dom0), where the hypervisor controls the IOMMU.",
                remedy: "VFIO does not work under Xen. Give the card away with Xen's own means (pciback, "
                    + "`xl pci-assignable-add`), or boot this kernel without Xen.")
        }
        let remedy =
            switch platform.processor {
            case .x86: "Enable VT-d or AMD-Vi in the firmware, and on Intel boot with intel_iommu=on."
            case .arm:
                "The SMMU must be enabled in the firmware and described to the kernel: in the device tree (iommu-map of the "
                    + "PCI host bridge), or in ACPI's IORT table."
            case .other: "Enable the machine's IOMMU in the firmware."
            }
        return Refusal(.noIOMMU, "\(what).", remedy: remedy)
    }

    private func refusal(_ group: IOMMUGroup) -> Refusal? {
        // A member that the host depends on has a refusal of its own: host-depends.
        let bound = obstacles(in: group).filter { !HostGate.holds($0, dependencies) }.map { member in
            "\(member.name) (\(member.driver ?? ""))"
        }
        guard !bound.isEmpty else { return nil }
        return Refusal(
            .groupNotViable,
            "IOMMU group \(group.number) also holds \(bound.joined(separator: ", ")), bound to "
                + "\(bound.count == 1 ? "a host driver" : "host drivers").",
            remedy: gpu.iommuGroup?.number == group.number
                ? "A group can only be given away as a whole: see what else is in it, or move the card to a slot with "
                    + "a group of its own."
                : "The GPU itself is in another group: --only-function (OnlyFunction=yes) takes it alone.")
    }

    private func obstacles(in group: IOMMUGroup) -> [IOMMUGroup.Member] {
        let ours = Set(functions.map(\.address.description))
        return group.members.filter { member in
            guard !ours.contains(member.name), let driver = member.driver else { return false }
            return !isTolerated(member, driver)
        }
    }

    private func isTolerated(_ member: IOMMUGroup.Member, _ driver: String) -> Bool {
        if member.hasVFIODevice || vfioDrivers.contains(driver) || Self.managedDrivers.contains(driver) { return true }
        // Before 5.19 the header decided (`vfio_dev_driver_allowed()`), since then the driver alone does.
        return member.isBridge && kernel?.hasManagedDMA == false
    }
}
