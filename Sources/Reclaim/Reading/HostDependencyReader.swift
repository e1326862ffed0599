package import Aperture
package import KernelFiles

/// Finds what the host uses below PCI functions: mounted file systems, swap, volumes, ZFS pools, network interfaces
/// that are up, and input devices.
///
/// It finds in sysfs which of the host's devices are below one of the functions, and reads more only about those. It
/// does not throw. What cannot be read is a dependency of its own (``HostDependency/Kind/unknown(_:)``) for the
/// functions that it concerns, so that a plan for another GPU goes on. A device that goes meanwhile, and a file that
/// this kernel does not have, count as absent.
///
/// It does not see: a process that has a raw block device open; a file system other than btrfs, bcachefs, ext4, xfs,
/// f2fs, erofs and nilfs2 that is mounted in another mount namespace alone; in another network namespace, the interface
/// of a USB or virtio device below the function; devices in a Thunderbolt controller's PCIe tunnels, which are below a
/// bridge.
package struct HostDependencyReader: Sendable {
    private let tree: FileTree

    /// - Parameter tree: The root that holds `sys`, `proc` and `run`.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// The dependencies of the functions that a claim of these GPUs may take along: the other functions of their slots
    /// and the members of their IOMMU groups. Display devices, their audio and bridges are left out.
    package func dependencies(around functions: [PCIFunction]) -> [PCIAddress: [HostDependency]] {
        var addresses = Set(functions.filter { Self.canCarry($0.pciClass) }.map(\.address))
        for case let group? in functions.map(\.iommuGroup) {
            let members = group.members.filter { $0.pciClass.map(Self.canCarry) ?? true }
            addresses.formUnion(members.compactMap { PCIAddress($0.name) })
        }
        return dependencies(of: addresses.sorted())
    }

    /// Whether the host can use something below a function of this class. Not below a display device or High Definition
    /// Audio; and a bridge is not examined, as everything is below it (PCI-to-PCI, CardBus, semi-transparent).
    private static func canCarry(_ pciClass: PCIClass) -> Bool {
        !pciClass.isDisplay && ![0x0403, 0x0604, 0x0607, 0x0609].contains(pciClass.code)
    }

    /// The dependencies of each function, the gravest first. A function without any is not in the answer.
    package func dependencies(of addresses: [PCIAddress]) -> [PCIAddress: [HostDependency]] {
        guard !addresses.isEmpty else { return [:] }
        var found: [PCIAddress: Set<HostDependency>] = [:]
        for part in [blocks, interfaces, inputs] {
            for (address, dependencies) in part(addresses) { found[address, default: []].formUnion(dependencies) }
        }
        return found.filter { !$0.value.isEmpty }.mapValues { $0.sorted() }
    }

    private typealias Found = [PCIAddress: Set<HostDependency>]

    private func unknown(_ reason: String, _ addresses: some Sequence<PCIAddress>) -> Found {
        Dictionary(addresses.map { ($0, [HostDependency(.unknown(reason), $0.description)]) }) { first, _ in first }
    }

    /// The dependencies on the devices of one class, for each function; unknown ones when the class cannot be read.
    private func devices(
        _ folder: String, _ addresses: [PCIAddress],
        _ dependency: (ClassDevice) throws(FileTreeError) -> HostDependency?
    ) -> Found {
        let devices: [ClassDevice]
        do {
            devices = try ClassDevice.list(folder, in: tree)
        } catch {
            return unknown(error.description, addresses)
        }
        let functions = addresses.map { (address: $0, name: $0.description) }
        var found: Found = [:]
        for device in devices {
            let carriers = functions.filter { device.isBelow($0.name) }.map(\.address)
            guard !carriers.isEmpty else { continue }
            do {
                guard let dependency = try dependency(device) else { continue }
                for address in carriers { found[address, default: []].insert(dependency) }
            } catch {
                found.merge(unknown(error.description, carriers)) { $0.union($1) }
            }
        }
        return found
    }

    // MARK: - Block devices

    private func blocks(_ addresses: [PCIAddress]) -> Found {
        let stack: BlockStack
        do {
            stack = try BlockStack(tree: tree)
        } catch {
            return unknown(error.description, addresses)
        }
        var found: Found = [:]
        var disks: [PCIAddress: [String]] = [:]
        for address in addresses {
            do {
                let below = try stack.disks(below: address)
                if !below.isEmpty { disks[address] = below }
            } catch {
                found.merge(unknown(error.description, [address])) { $0.union($1) }
            }
        }
        // Most controllers beside a GPU have no disk, so do not read the long tables of mounts for them.
        guard !disks.isEmpty else { return found }
        let use = DiskUse(tree: tree, stack: stack)
        var doubts = use.doubts
        var files: [BlockStack.Edge] = []
        do {
            files = try stack.edgesByNode()
        } catch {
            doubts.append(error.description)
        }
        for reason in doubts { found.merge(unknown(reason, disks.keys)) { $0.union($1) } }
        for (address, disks) in disks {
            do {
                let tower = try stack.tower(on: disks, files)
                found[address, default: []].formUnion(try dependencies(of: tower, stack, use))
            } catch {
                found.merge(unknown(error.description, [address])) { $0.union($1) }
            }
        }
        return found
    }

    private func dependencies(
        of tower: BlockStack.Tower, _ stack: BlockStack, _ use: DiskUse
    ) throws(FileTreeError) -> Set<HostDependency> {
        var found: Set<HostDependency> = []
        var used = Set(tower.volumes.map(\.lower))
        for device in tower.devices {
            let points = try use.points(of: device)
            let isSwap = use.isSwap(device)
            guard isSwap || !points.isEmpty else { continue }
            used.insert(device)
            let title = try stack.title(of: device)
            found.formUnion(points.map { HostDependency(.mount(at: $0), title) })
            if isSwap { found.insert(HostDependency(.swap, title)) }
        }
        for volume in tower.volumes {
            found.insert(
                HostDependency(.volume(try stack.title(of: volume.upper)), try stack.title(of: volume.lower)))
        }
        if !use.pools.isEmpty { found.formUnion(try pools(on: tower, stack, use, used)) }
        return found
    }

    /// ZFS does not show a pool's disks in sysfs or procfs. udev recognises a member by its contents. A disk without
    /// any other known use may be a member too, since udev does not recognise a cache device.
    private func pools(
        on tower: BlockStack.Tower, _ stack: BlockStack, _ use: DiskUse, _ used: Set<String>
    ) throws(FileTreeError) -> Set<HostDependency> {
        var found: Set<HostDependency> = []
        for disk in tower.disks where try stack.isDisk(disk) {
            let partitions = stack.partitions(of: disk)
            var isUsed = used.contains(disk)
            var isExplained = !partitions.isEmpty
            for device in partitions.isEmpty ? [disk] : partitions {
                let content = try use.content(of: device)
                if content?.type == "zfs_member", let pool = content?.label, use.pools.contains(pool) {
                    found.insert(HostDependency(.pool(pool), device))
                    isUsed = true
                } else if used.contains(device) {
                    isUsed = true
                } else if content == nil || (content?.type == "zfs_member" && content?.label == nil) {
                    isExplained = false
                } else if partitions.isEmpty {
                    isExplained = true
                }
            }
            if !isUsed, !isExplained { found.insert(HostDependency(.perhapsPool(use.pools.sorted()), disk)) }
        }
        return found
    }

    // MARK: - Interfaces

    private func interfaces(_ addresses: [PCIAddress]) -> Found {
        var found = devices(KernelFolder.network, addresses) { device in
            isUp(device.name) ? HostDependency(.network, device.name) : nil
        }
        for address in addresses {
            // An interface in another network namespace is not listed, but the folder `net` above it still is
            // (`kernfs_fop_readdir()`) until the last interface goes.
            let folder = "\(KernelPath.device(address))/net"
            do {
                guard try tree.list(folder).isEmpty else { continue }
                let reason = "its network interface is in another network namespace"
                found.merge(unknown(reason, [address])) { $0.union($1) }
            } catch  where error.isAbsence {
                continue
            } catch {
                found.merge(unknown(error.description, [address])) { $0.union($1) }
            }
        }
        return found
    }

    /// Whether the interface is up, by the state of RFC 2863. Many drivers always report `unknown`
    /// (`operstate_show()`), and then IFF_UP decides. An unreadable state counts as up. The members of a bond or a
    /// bridge, and the interface below a VLAN, are up themselves.
    private func isUp(_ interface: String) -> Bool {
        let folder = "\(KernelFolder.network)/\(interface)"
        // Unreadable is unknown.
        switch (try? tree.text("\(folder)/operstate")) ?? "unknown" {
        case "up": return true
        case "down", "lowerlayerdown", "notpresent": return false
        default:
            guard
                // Unreadable flags count as up, unless the interface has just gone together with its folder.
                let text = try? tree.text("\(folder)/flags"), text.hasPrefix("0x"),
                let flags = UInt32(text.dropFirst(2), radix: 16)
            else { return tree.exists(folder) }
            // IFF_UP (linux/if.h).
            return flags & 0x1 != 0
        }
    }

    // MARK: - Input devices

    private func inputs(_ addresses: [PCIAddress]) -> Found {
        devices(KernelFolder.input, addresses) { device throws(FileTreeError) in
            // Skip the event nodes, which are listed beside their device, and the jacks of sound cards.
            guard device.name.hasPrefix("input"), !device.path.contains("sound") else { return nil }
            let name = try tree.textIfPresent("\(KernelFolder.input)/\(device.name)/name")
            return HostDependency(.input(name ?? "unnamed"), device.name)
        }
    }
}
