/// Which functions a claim of one GPU takes, and which it leaves where they are, each with the reason.
package struct FunctionSelection: Sendable {
    /// One function, or another member of an IOMMU group, and whether it is taken.
    package struct Choice: Hashable, Sendable {
        /// The kernel's name: a PCI address, or the name of a member of the IOMMU group that is not PCI.
        package let name: String
        /// ``PCIClass/label``; `nil` for a device that is not PCI.
        package let label: String?
        /// The bound driver, or `nil`.
        package let driver: String?
        /// Whether it goes to VFIO with the claim.
        package let isTaken: Bool
        /// The reason, as a clause that can follow "because".
        package let reason: String
    }

    /// The functions that are taken, in the order of their addresses.
    package private(set) var functions: [PCIFunction] = []
    /// These and those that stay: the others of the slot, then those of the IOMMU groups.
    package private(set) var choices: [Choice] = []

    private let gpu: PCIFunction
    private let snapshot: Snapshot
    private let options: ClaimOptions

    init(of gpu: PCIFunction, in snapshot: Snapshot, options: ClaimOptions) {
        self.gpu = gpu
        self.snapshot = snapshot
        self.options = options
        for function in snapshot.slot(of: gpu.address) { choose(function) }
        leaveGroups()
    }

    private mutating func choose(_ function: PCIFunction) {
        let reason: String
        let isTaken: Bool
        if let why = reasonToTake(function) {
            (reason, isTaken) = (why, true)
            functions.append(function)
        } else {
            (reason, isTaken) = (reasonToLeave(function), false)
        }
        choices.append(
            Choice(
                name: function.address.description, label: function.pciClass.label, driver: function.driver,
                isTaken: isTaken, reason: reason))
    }

    private func reasonToTake(_ function: PCIFunction) -> String? {
        if function == gpu { return "it is the GPU" }
        if options.addedFunctions.contains(function.address), !function.isBridge { return "--function names it" }
        // A virtual function has nothing in common with what shares its slot's number.
        guard gpu.physicalFunction == nil, function.physicalFunction == nil else { return nil }
        guard !function.isBridge, !options.onlyFunction else { return nil }
        if options.wholeSlot { return "--whole-slot takes the slot" }
        if let group = gpu.iommuGroup, !group.isNoIOMMU, group.number == function.iommuGroup?.number {
            return "it shares the GPU's IOMMU group \(group.number)"
        }
        return function.pciClass.isHDAudio && function.vendor == gpu.vendor ? "it is the display's own audio" : nil
    }

    private func reasonToLeave(_ function: PCIFunction) -> String {
        if function.isBridge { return "it is a bridge" }
        if function.enabledVirtualFunctions > 0 || function.address == gpu.physicalFunction {
            return "it is the physical function"
        }
        if let owner = function.physicalFunction { return "it is another virtual function of \(owner)" }
        if gpu.physicalFunction != nil { return "a virtual function goes alone" }
        if options.onlyFunction { return "--only-function takes the GPU alone" }
        return "it is not in the GPU's IOMMU group and is not the display's audio"
    }

    /// Lists the other members of the IOMMU groups of the taken functions. ``GroupGate`` decides whether a group can be
    /// used with them.
    private mutating func leaveGroups() {
        let members = functions.compactMap(\.iommuGroup).flatMap(\.members)
        for member in members where !choices.contains(where: { $0.name == member.name }) {
            choices.append(
                Choice(
                    name: member.name, label: member.pciClass?.label, driver: member.driver, isTaken: false,
                    reason: "it is in the IOMMU group and not in the GPU's slot"))
        }
    }
}
