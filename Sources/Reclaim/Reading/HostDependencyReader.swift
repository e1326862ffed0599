package import Aperture
package import KernelFiles

/// Finds what the host has below PCI functions: mounted file systems, swap, volumes and ZFS pools, interfaces that are up,
/// input devices.
///
/// It asks sysfs where the host's devices hang, and reads on only for those that hang below one of the functions. It does
/// not throw: what could not be read is a dependency itself (``HostDependency/Kind/unknown(_:)``), of the functions that it
/// matters for and of no other, so that a plan for another GPU goes on. What has gone meanwhile, or what a kernel does not
/// have, is nothing.
///
/// Not seen: a process that has a raw block device open; file systems other than btrfs, bcachefs, ext4, xfs, f2fs, erofs
/// and nilfs2 that are mounted in another mount namespace alone; an interface in another network namespace that is not the
/// function's own but a USB or virtio device's below it; PCIe tunnels of a Thunderbolt controller, whose devices hang
/// below a bridge.
package struct HostDependencyReader: Sendable {
    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    /// The dependencies of what could go with display devices: the other functions of their slots, and the members of all
    /// their groups. Display devices and their audio are none of it, and a bridge has everything below it.
    package func dependencies(around functions: [PCIFunction]) -> [PCIAddress: [HostDependency]] {
        var addresses = Set(functions.filter { Self.canCarry($0.pciClass) }.map(\.address))
        for case let group? in functions.map(\.iommuGroup) {
            let members = group.members.filter { $0.pciClass.map(Self.canCarry) ?? true }
            addresses.formUnion(members.compactMap { PCIAddress($0.name) })
        }
        return dependencies(of: addresses.sorted())
    }

    /// Whether the host can have something below a function of this class: not a display device, High Definition Audio, or
    /// what has a bus below it (PCI-to-PCI, CardBus and semi-transparent bridges).
    private static func canCarry(_ pciClass: PCIClass) -> Bool {
        !pciClass.isDisplay && ![0x0403, 0x0604, 0x0607, 0x0609].contains(pciClass.code)
    }

    /// What hangs below each function, the gravest first; a function with nothing below is not in the answer.
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

    /// The devices of a class below each function, or what stands for them when the class cannot be read.
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
        // The tables of what is mounted are long, and most controllers beside a GPU have no disk.
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

    /// ZFS tells nobody in sysfs or procfs what a pool's disks are. udev knows a member by its content; a disk that
    /// nothing else explains may be one all the same (a cache device has no content that udev knows).
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
            // An interface that was moved to another network namespace is not shown, but the folder above it is
            // (`kernfs_fop_readdir()`), which goes with the last interface.
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

    /// RFC 2863's state, as far as the driver tells it; many say `unknown` for ever (`operstate_show()`). What cannot be
    /// read counts as up. The members of a bond or a bridge, and what a VLAN stands on, are up themselves.
    private func isUp(_ interface: String) -> Bool {
        let folder = "\(KernelFolder.network)/\(interface)"
        // Unreadable is unknown.
        switch (try? tree.text("\(folder)/operstate")) ?? "unknown" {
        case "up": return true
        case "down", "lowerlayerdown", "notpresent": return false
        default:
            guard
                // Unreadable counts as up, and a device that has just gone is not there for its folder either.
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
            // Its event nodes are listed beside it. A sound card's jacks are input devices too, and nobody types on them.
            guard device.name.hasPrefix("input"), !device.path.contains("sound") else { return nil }
            let name = try tree.textIfPresent("\(KernelFolder.input)/\(device.name)/name")
            return HostDependency(.input(name ?? "unnamed"), device.name)
        }
    }
}
