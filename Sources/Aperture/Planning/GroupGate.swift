/// Whether the functions can be isolated: each in an IOMMU group that no host driver shares (`vfio_group_viable()`,
/// since 5.19 `iommu_group_claim_dma_owner()`).
struct GroupGate {
    let functions: [PCIFunction]

    func refusals() -> [Refusal] {
        let ungrouped = functions.filter { $0.iommuGroup?.isNoIOMMU ?? true }
        guard ungrouped.isEmpty else {
            let names = ungrouped.map(\.address.description).joined(separator: ", ")
            return [
                Refusal(
                    .noIOMMU, "\(names) is in no IOMMU group.",
                    remedy: "Enable VT-d or AMD-Vi in the firmware, and on Intel boot with intel_iommu=on.")
            ]
        }
        var groups: [IOMMUGroup] = []
        for case let group? in functions.map(\.iommuGroup) where !groups.contains(where: { $0.number == group.number })
        {
            groups.append(group)
        }
        return groups.compactMap(refusal)
    }

    private func refusal(_ group: IOMMUGroup) -> Refusal? {
        let ours = Set(functions.map(\.address.description))
        let bound = group.members.compactMap { member -> String? in
            guard !ours.contains(member.name), let driver = member.driver, !isHarmless(member, driver) else {
                return nil
            }
            return "\(member.name) (\(driver))"
        }
        guard !bound.isEmpty else { return nil }
        return Refusal(
            .groupNotViable,
            "IOMMU group \(group.number) also holds \(bound.joined(separator: ", ")), bound to host drivers.",
            remedy: "Hand these over or unbind them first, or move the card to a slot with a group of its own.")
    }

    private func isHarmless(_ member: IOMMUGroup.Member, _ driver: String) -> Bool {
        member.pciClass?.isBridge == true || NativeDriver.isVFIO(driver) || driver == "pci-stub" || driver == "pcieport"
    }
}
