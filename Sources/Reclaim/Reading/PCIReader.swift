internal import Aperture
internal import Sysfs

/// Reads the display-class functions, the other functions of their slots, and their IOMMU groups.
struct PCIReader {
    let tree: FileTree
    /// How long the kernel may hold a device's lock, in milliseconds.
    let lockDeadline: Int32

    func read(into snapshot: inout Snapshot) throws(FileTreeError) {
        let addresses = try tree.list(KernelPath.pciDevices).compactMap { PCIAddress($0) }
        var classes: [PCIAddress: PCIClass] = [:]
        for address in addresses {
            do {
                classes[address] = try pciClass(of: address)
            } catch {
                snapshot.unreadable.append(Snapshot.Unreadable(address: address, reason: error.description))
            }
        }
        snapshot.classes = classes
        let displays = addresses.filter { classes[$0]?.isDisplay == true }
        let cards = addresses.filter { address in
            classes[address] != nil && displays.contains { $0.sharesSlot(with: address) }
        }
        let reader = GuardedReader(tree: tree, deadline: lockDeadline)
        let overrides = try reader.texts(cards.map(KernelPath.driverOverride), under: .device)
        for (address, override) in zip(cards, overrides) {
            guard let pciClass = classes[address] else { continue }
            do {
                snapshot.functions.append(try function(at: address, pciClass, override, classes))
            } catch {
                snapshot.unreadable.append(Snapshot.Unreadable(address: address, reason: error.description))
            }
        }
    }

    private func function(
        at address: PCIAddress, _ pciClass: PCIClass, _ override: Result<String?, FileTreeError>,
        _ classes: [PCIAddress: PCIClass]
    ) throws(SnapshotError) -> PCIFunction {
        do {
            let path = KernelPath.device(address)
            var function = PCIFunction(
                address: address, pciClass: pciClass, vendor: try number("\(path)/vendor"),
                device: try number("\(path)/device"), driver: try tree.linkName("\(path)/driver"),
                driverOverride: try override.get(),
                bootVGA: try tree.textIfPresent("\(path)/boot_vga").map { $0 == "1" },
                iommuGroup: try group(of: path, classes), resources: try resources("\(path)/resource"))
            function.decodesMemory = decodesMemory(path)
            function.isOverriddenByRule = try isOverriddenByRule(function)
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
    private func number<Number: FixedWidthInteger>(_ path: String) throws(SnapshotError) -> Number {
        let text: String
        do {
            text = try tree.text(path)
        } catch {
            throw .unreadable(error)
        }
        guard text.hasPrefix("0x"), let number = Number(text.dropFirst(2), radix: 16) else {
            throw .malformed(path: path, reason: "'\(text)' is not a hexadecimal number that fits")
        }
        return number
    }

    /// The rule marks the override that it sets; udevd keeps the mark with the device (`/run/udev/data`, one `E:` line a
    /// property).
    private func isOverriddenByRule(_ function: PCIFunction) throws(FileTreeError) -> Bool {
        guard function.driverOverride == KernelPath.vfioDriver else { return false }
        let properties = try tree.textIfPresent("/run/udev/data/+pci:\(function.address)") ?? ""
        return properties.split(separator: "\n").contains("E:APERTURED_OVERRIDE=\(KernelPath.vfioDriver)")
    }

    /// Bit 1 of the command register, at offset 4 of the configuration header (PCI Local Bus 3.0, 6.2.2).
    private func decodesMemory(_ path: String) -> Bool? {
        // Not every function lets everyone read it; then nothing is known, and that is what is said.
        guard let header = try? tree.bytes("\(path)/config"), header.count > 4 else { return nil }
        return header[4] & 0x2 != 0
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

    private func group(of path: String, _ classes: [PCIAddress: PCIClass]) throws(FileTreeError) -> IOMMUGroup? {
        guard let name = try tree.linkName("\(path)/iommu_group"), let number = Int(name) else { return nil }
        let group = "\(KernelPath.iommuGroups)/\(number)"
        var members: [IOMMUGroup.Member] = []
        for member in try tree.listIfPresent("\(group)/devices") {
            members.append(
                IOMMUGroup.Member(
                    name: member, driver: try tree.linkName("\(group)/devices/\(member)/driver"),
                    pciClass: PCIAddress(member).flatMap { classes[$0] }))
        }
        let isNoIOMMU = try tree.textIfPresent("\(group)/name") == "vfio-noiommu"
        return IOMMUGroup(number: number, isNoIOMMU: isNoIOMMU, members: members)
    }
}
