internal import Aperture
internal import KernelFiles

/// Reads the GPUs, the other functions of their slots, their virtual functions, and the IOMMU groups of all of them.
struct PCIReader {
    let tree: FileTree
    let scope: SnapshotScope

    /// The functions of the machine, found without any read that can hang.
    struct Survey {
        fileprivate(set) var classes: [PCIAddress: PCIClass] = [:]
        fileprivate(set) var unreadable: [Snapshot.Unreadable] = []
        /// The functions to be read, in order.
        fileprivate(set) var cards: [PCIAddress] = []
        /// The `virtfn…` links of the GPUs.
        fileprivate(set) var links: [PCIAddress: [String]] = [:]
        /// The questions about these functions.
        fileprivate(set) var questions: [Question] = []
    }

    /// Lists the functions, and collects the questions that their reading needs.
    func survey() throws(FileTreeError) -> Survey {
        var survey = Survey()
        let addresses = try tree.list(KernelPath.pciDevices).compactMap { PCIAddress($0) }
        for address in addresses {
            do {
                survey.classes[address] = try pciClass(of: address)
            } catch {
                survey.unreadable.append(Snapshot.Unreadable(address: address, reason: error.description))
            }
        }
        let gpus = addresses.filter { survey.classes[$0]?.isGPU == true }
        var virtual: Set<PCIAddress> = []
        for gpu in gpus {
            let links = try virtualFunctionLinks(of: gpu)
            survey.links[gpu] = links
            virtual.formUnion(try virtualFunctions(of: gpu, links))
        }
        survey.cards = addresses.filter { address in
            guard survey.classes[address] != nil else { return false }
            return virtual.contains(address) || gpus.contains { $0.sharesSlot(with: address) }
        }
        for address in survey.cards where scope.includes(address) {
            survey.questions.append(.driverOverride(KernelPath.driverOverride(address)))
            if canHaveVirtualFunctions(address) { survey.questions.append(.virtualFunctions(address)) }
        }
        for address in survey.cards {
            let mayAsk = try mayAskConfiguration(of: address, survey.classes)
            if mayAsk { survey.questions.append(.configuration(address)) }
        }
        return survey
    }

    /// Whether to read the function's configuration header. A sleeping function is woken only for a claim or a release
    /// of its slot.
    private func mayAskConfiguration(
        of address: PCIAddress, _ classes: [PCIAddress: PCIClass]
    ) throws(FileTreeError) -> Bool {
        switch scope.purpose {
        case nil: break
        case .claim:
            if scope.includes(address) { return true }
            // Another GPU's header shows whether that GPU is dead, and so whether the claim takes the last GPU.
            guard classes[address]?.isGPU == true else { return false }
        case .release: return scope.includes(address)
        case .watch:
            guard scope.includes(address) else { return false }
            let power = try power(of: address)
            return !power.hasNoPower
        }
        let power = try power(of: address)
        return !power.isAsleep
    }

    /// How deeply the function sleeps. Reading `power/runtime_status` and `power_state` (since Linux 5.11) takes no lock
    /// and wakes nothing.
    func power(of address: PCIAddress) throws(FileTreeError) -> PowerState {
        let path = KernelPath.device(address)
        return PowerState(
            runtimeStatus: try tree.textIfPresent("\(path)/power/runtime_status"),
            state: try tree.textIfPresent("\(path)/power_state"))
    }

    /// Adds the functions to the snapshot; one that cannot be read goes to ``Snapshot/unreadable``.
    func read(_ survey: Survey, _ answers: Answers, into snapshot: inout Snapshot) {
        snapshot.classes = survey.classes
        snapshot.unreadable = survey.unreadable
        var groups: [IOMMUGroup] = []
        for address in survey.cards {
            guard let pciClass = survey.classes[address] else { continue }
            do {
                snapshot.functions.append(
                    try function(at: address, pciClass, survey, answers, snapshot.vfioDrivers, &groups))
            } catch {
                var unreadable = Snapshot.Unreadable(address: address, reason: error.description)
                if case .unreadable(let error) = error { unreadable.isPassing = error.isAbsence }
                snapshot.unreadable.append(unreadable)
            }
        }
    }

    /// The targets of `virtfn0` and so on.
    private func virtualFunctions(of address: PCIAddress, _ links: [String]) throws(FileTreeError) -> [PCIAddress] {
        var found: [PCIAddress] = []
        for name in links {
            if let target = try tree.linkName("\(KernelPath.device(address))/\(name)"), let virtual = PCIAddress(target)
            {
                found.append(virtual)
            }
        }
        return found
    }

    private func canHaveVirtualFunctions(_ address: PCIAddress) -> Bool {
        tree.exists("\(KernelPath.device(address))/sriov_numvfs")
    }

    private func virtualFunctionLinks(of address: PCIAddress) throws(FileTreeError) -> [String] {
        guard canHaveVirtualFunctions(address) else { return [] }
        return try tree.listIfPresent(KernelPath.device(address)).filter { $0.hasPrefix("virtfn") }
    }

    /// The number of enabled virtual functions: that of the links, or `sriov_numvfs`, which is shown under the device's
    /// lock (`sriov_numvfs_show()`), if it is larger.
    private func enabledVirtualFunctions(
        of address: PCIAddress, _ survey: Survey, _ answers: Answers
    ) throws(FileTreeError) -> Int {
        // TotalVFs is a 16-bit register.
        let number = try answers.text(.virtualFunctions(address)).flatMap { Int($0) } ?? 0
        var links = survey.links[address]
        if links == nil { links = try virtualFunctionLinks(of: address) }
        return max(links?.count ?? 0, min(number, 0xffff))
    }

    /// A function with its class and its ids alone.
    func identity(of address: PCIAddress) throws(SnapshotError) -> PCIFunction {
        let path = KernelPath.device(address)
        var function = PCIFunction(
            address: address, pciClass: try pciClass(of: address), vendor: try number("\(path)/vendor"),
            device: try number("\(path)/device"), driver: nil, driverOverride: nil, bootVGA: nil, iommuGroup: nil,
            resources: ResourceTable(memoryBARs: []))
        function.subsystemVendor = try numberIfPresent("\(path)/subsystem_vendor")
        function.subsystemDevice = try numberIfPresent("\(path)/subsystem_device")
        return function
    }

    /// The facts of every GPU whose class can be read. A fact that cannot be read is `nil`.
    func cards() throws(FileTreeError) -> [CardFacts] {
        try tree.list(KernelPath.pciDevices).compactMap { PCIAddress($0) }
            .filter { address in optional { try pciClass(of: address).isGPU } == true }
            .map { address in
                let path = KernelPath.device(address)
                return CardFacts(
                    address: address, id: identifier("\(path)/vendor", "\(path)/device"),
                    subsystem: identifier("\(path)/subsystem_vendor", "\(path)/subsystem_device"),
                    path: syspath(of: path), isBootVGA: optional { try tree.text("\(path)/boot_vga") } == "1")
            }
    }

    private func identifier(_ vendor: String, _ device: String) -> PCIIdentifier? {
        guard let vendor: UInt16 = optional({ try number(vendor) }),
            let device: UInt16 = optional({ try number(device) })
        else { return nil }
        return PCIIdentifier(vendor: vendor, device: device)
    }

    /// The syspath below `/sys/devices`, to which the link in `/sys/bus/pci/devices` leads.
    private func syspath(of path: String) -> String? {
        let parts = optional({ try tree.linkTarget(path) })??.split(separator: "/") ?? []
        guard let devices = parts.firstIndex(of: "devices") else { return nil }
        return parts[(devices + 1)...].joined(separator: "/")
    }

    /// What was read, or `nil` where that failed: an unknown fact meets no condition.
    private func optional<Fact>(_ read: () throws -> Fact) -> Fact? {
        do {
            return try read()
        } catch {
            return nil
        }
    }

    private func function(
        at address: PCIAddress, _ pciClass: PCIClass, _ survey: Survey, _ answers: Answers,
        _ vfioDrivers: VFIODrivers, _ groups: inout [IOMMUGroup]
    ) throws(SnapshotError) -> PCIFunction {
        do {
            let path = KernelPath.device(address)
            var function = PCIFunction(
                address: address, pciClass: pciClass, vendor: try number("\(path)/vendor"),
                device: try number("\(path)/device"), driver: try tree.linkName("\(path)/driver"),
                driverOverride: try answers.text(
                    .driverOverride(KernelPath.driverOverride(address)), isRequired: true),
                bootVGA: try tree.textIfPresent("\(path)/boot_vga").map { $0 == "1" },
                iommuGroup: try group(of: path, survey.classes, &groups), resources: try resources("\(path)/resource"))
            function.subsystemVendor = try numberIfPresent("\(path)/subsystem_vendor")
            function.subsystemDevice = try numberIfPresent("\(path)/subsystem_device")
            function.hasVFIODevice = hasVFIODevice(path, function.driver, vfioDrivers)
            function.physicalFunction = try tree.linkName("\(path)/physfn").flatMap { PCIAddress($0) }
            function.enabledVirtualFunctions = try enabledVirtualFunctions(of: address, survey, answers)
            function.isBridge = isBridge(path, pciClass)
            function.header = try answers.header(of: address)
            try readRule(&function, vfioDrivers)
            function.nodes = try NodeReader(tree: tree).nodes(of: function)
            return function
        } catch let error as SnapshotError {
            throw error
        } catch let error as FileTreeError {
            throw .unreadable(error)
        } catch {
            throw .malformed(path: KernelPath.device(address), reason: "\(error)")
        }
    }

    private func pciClass(of address: PCIAddress) throws(SnapshotError) -> PCIClass {
        PCIClass(rawValue: try number("\(KernelPath.device(address))/class"))
    }

    /// A number that sysfs prints as `0x…`.
    private func number<Number: FixedWidthInteger & UnsignedInteger>(_ path: String) throws(SnapshotError) -> Number {
        let bytes: [UInt8]
        do {
            bytes = try tree.bytes(path)
        } catch {
            throw .unreadable(error)
        }
        guard let number = Hex.number(bytes).flatMap({ Number(exactly: $0) }) else {
            let text = String(decoding: bytes, as: UTF8.self)
            throw .malformed(path: path, reason: "'\(text)' is not a hexadecimal number that fits")
        }
        return number
    }

    private func numberIfPresent<Number: FixedWidthInteger & UnsignedInteger>(_ path: String) throws(SnapshotError)
        -> Number?
    {
        tree.exists(path) ? try number(path) : nil
    }

    /// Reads what the udev rule noted: the override that it set, and the VFIO driver that it found. udevd keeps both in
    /// its database (`/run/udev/data`, one `E:` line for each property).
    private func readRule(_ function: inout PCIFunction, _ vfioDrivers: VFIODrivers) throws(FileTreeError) {
        let override = function.driverOverride.flatMap { vfioDrivers.contains($0) ? $0 : nil }
        // If the aliases are readable, the rule's driver is not needed.
        guard override != nil || vfioDrivers.aliases.isEmpty else { return }
        let properties = try tree.textIfPresent("/run/udev/data/+pci:\(function.address)") ?? ""
        for line in properties.split(separator: "\n") {
            if let override, line == "E:APERTURED_OVERRIDE=\(override)" { function.isOverriddenByRule = true }
            let found = "E:APERTURED_DRIVER="
            if line.hasPrefix(found) {
                let name = String(line.dropFirst(found.count))
                if VFIODrivers.isNamed(name) { function.driverFoundByRule = name }
            }
        }
    }

    /// Whether the function has a bridge's header. The kernel ignores a device with a PCI-to-PCI bridge's class and
    /// another header (`pci_setup_device()`). For other classes `secondary_bus_number` decides, which only bridges have
    /// (`pci_bridge_attrs_are_visible()`).
    private func isBridge(_ path: String, _ pciClass: PCIClass?) -> Bool {
        pciClass?.code == 0x0604 || tree.exists("\(path)/secondary_bus_number")
    }

    /// Whether the driver is one of those that the kernel's aliases name, or has registered a VFIO device.
    private func hasVFIODevice(_ path: String, _ driver: String?, _ vfioDrivers: VFIODrivers) -> Bool {
        guard let driver else { return false }
        return vfioDrivers.contains(driver) || tree.exists("\(path)/vfio-dev")
    }

    private func resources(_ path: String) throws(SnapshotError) -> ResourceTable {
        let bytes: [UInt8]
        do {
            bytes = try tree.bytes(path)
        } catch {
            throw .unreadable(error)
        }
        do {
            return try ResourceTable.parse(bytes)
        } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
    }

    /// - Parameter known: The groups that were read for other functions; a new one is added.
    private func group(
        of path: String, _ classes: [PCIAddress: PCIClass], _ known: inout [IOMMUGroup]
    ) throws(FileTreeError) -> IOMMUGroup? {
        guard let name = try tree.linkName("\(path)/iommu_group"), let number = Int(name) else { return nil }
        if let group = known.first(where: { $0.number == number }) { return group }
        let group = "\(KernelPath.iommuGroups)/\(number)"
        var members: [IOMMUGroup.Member] = []
        for name in try tree.listIfPresent("\(group)/devices") {
            let path = "\(group)/devices/\(name)"
            var member = IOMMUGroup.Member(
                name: name, driver: try tree.linkName("\(path)/driver"),
                pciClass: PCIAddress(name).flatMap { classes[$0] })
            member.isBridge = isBridge(path, member.pciClass)
            member.hasVFIODevice = member.driver != nil && tree.exists("\(path)/vfio-dev")
            members.append(member)
        }
        let isNoIOMMU = try tree.textIfPresent("\(group)/name") == "vfio-noiommu"
        known.append(IOMMUGroup(number: number, isNoIOMMU: isNoIOMMU, members: members))
        return known.last
    }
}
