internal import Aperture
internal import KernelFiles

/// The block devices, and which of them use which: a partition its disk, a volume its members.
struct BlockStack {
    /// A block device that uses another one below it.
    struct Edge: Hashable {
        let upper: String
        let lower: String
    }

    /// The block devices of one PCI function, from its disks up.
    struct Tower {
        /// The disks below the function, and their partitions.
        var disks: [String] = []
        /// Those disks and partitions, and every block device that uses them.
        var devices: [String] = []
        /// The volumes (device-mapper, md, bcache, drbd, …) among them, each with a device that it uses.
        var volumes: [Edge] = []
    }

    private let tree: FileTree
    private let devices: [ClassDevice]
    private let names: Set<String>
    /// The partitions of each disk.
    private let partitions: [String: [String]]
    private let allPartitions: Set<String>

    init(tree: FileTree) throws(FileTreeError) {
        self.tree = tree
        devices = try ClassDevice.list(KernelFolder.block, in: tree)
        let names = Set(devices.map(\.name))
        self.names = names
        let onDisks = devices.filter { device in device.parent.map { names.contains(String($0)) } ?? false }
        allPartitions = Set(onDisks.map(\.name))
        partitions = Dictionary(grouping: onDisks) { String($0.parent ?? "") }.mapValues { $0.map(\.name) }
    }

    // MARK: - Below a function

    /// The disks and partitions whose sysfs device lies below the function.
    func disks(below address: PCIAddress) throws(FileTreeError) -> [String] {
        let function = address.description
        var disks: [String] = []
        for device in devices {
            if device.isBelow(function) {
                disks.append(device.name)
            } else if let subsystem = Self.subsystem(of: device), try hasPath(subsystem, through: function) {
                disks.append(device.name)
            }
        }
        return disks
    }

    /// With native multipath a namespace is a child of its subsystem, which is below no PCI function
    /// (`nvme_mpath_alloc_disk()`): `/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1`.
    private static func subsystem(of device: ClassDevice) -> Substring? {
        guard let index = device.path.firstIndex(of: "nvme-subsystem"), index + 1 < device.path.endIndex else {
            return nil
        }
        return device.path[index + 1]
    }

    /// Whether a controller of the subsystem is below the function. The subsystem has a link to each of its controllers
    /// (`nvme_init_subsystem()`): `nvme0 -> ../../../pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0`.
    private func hasPath(_ subsystem: Substring, through function: String) throws(FileTreeError) -> Bool {
        let folder = "/sys/class/nvme-subsystem/\(subsystem)"
        for name in try tree.listIfPresent(folder) where name.hasPrefix("nvme") {
            guard let target = try tree.linkTarget("\(folder)/\(name)") else { continue }
            if ClassDevice(name: name, path: target.split(separator: "/")).isBelow(function) { return true }
        }
        return false
    }

    // MARK: - Above a disk

    /// Every block device that uses these disks, directly or not.
    /// - Parameter files: The edges of ``edgesByNode()``.
    func tower(on disks: [String], _ files: [Edge]) throws(FileTreeError) -> Tower {
        var tower = Tower(disks: disks, devices: disks)
        var seen = Set(disks)
        var next = 0
        while next < tower.devices.count {
            let device = tower.devices[next]
            next += 1
            // A driver that opens a device exclusively may make this link (`bd_link_disk_holder()`): device-mapper, md,
            // bcache, drbd.
            let holders = try tree.listIfPresent("\(KernelFolder.block)/\(device)/holders")
            tower.volumes += holders.map { Edge(upper: $0, lower: device) }
            let others = files.filter { $0.lower == device }.map(\.upper) + (partitions[device] ?? [])
            for upper in holders + others where seen.insert(upper).inserted { tower.devices.append(upper) }
        }
        return tower
    }

    /// The edges of loop and zram devices that use a block device's node. The kernel makes no `holders` link for them.
    /// A loop device on a plain file needs no edge: the file's file system is mounted.
    func edgesByNode() throws(FileTreeError) -> [Edge] {
        var edges: [Edge] = []
        for name in names {
            let file: String
            if name.hasPrefix("loop") {
                file = "loop/backing_file"
            } else if name.hasPrefix("zram") {
                file = "backing_dev"
            } else {
                continue
            }
            guard
                let path = try tree.textIfPresent("\(KernelFolder.block)/\(name)/\(file)"), path.hasPrefix("/dev/"),
                let lower = try device(ofNode: path)
            else { continue }
            edges.append(Edge(upper: name, lower: lower))
        }
        return edges
    }

    // MARK: - Names

    /// The block device of a node's path, through udev's links (`/dev/mapper/vg-root -> ../dm-1`); `nil` when the path
    /// is no block device's.
    func device(ofNode path: String) throws(FileTreeError) -> String? {
        var path = path
        // The kernel follows no more links than this (MAXSYMLINKS).
        for _ in 0..<40 {
            guard path.hasPrefix("/dev/") else { return nil }
            // sysfs has a "!" where the kernel's name has a "/" (`cciss/c0d0`).
            let name = String(path.dropFirst(5).map { $0 == "/" ? "!" : $0 })
            if names.contains(name) { return name }
            guard let target = try tree.linkTarget(path) else { return try mapped(path) }
            path = Self.path(of: target, from: path)
        }
        return nil
    }

    /// The block device of a node that device-mapper's own library made, which it does without udev:
    /// `/dev/mapper/vg-swap`.
    private func mapped(_ path: String) throws(FileTreeError) -> String? {
        guard path.hasPrefix("/dev/mapper/") else { return nil }
        let name = path.dropFirst(12)
        for device in names where device.hasPrefix("dm-") {
            let own = try tree.textIfPresent("\(KernelFolder.block)/\(device)/dm/name")
            if let own, own == name { return device }
        }
        return nil
    }

    private static func path(of target: String, from link: String) -> String {
        guard !target.hasPrefix("/") else { return target }
        var parts = link.split(separator: "/").dropLast()
        for part in target.split(separator: "/") {
            if part == ".." {
                _ = parts.popLast()
            } else if part != "." {
                parts.append(part)
            }
        }
        return parts.map { "/\($0)" }.joined()
    }

    /// The device's name for a message: `dm-0 (luks-root)`, `md0 (raid1)`, `nvme0n1p2`.
    func title(of device: String) throws(FileTreeError) -> String {
        let folder = "\(KernelFolder.block)/\(device)"
        let file = device.hasPrefix("dm-") ? "dm/name" : device.hasPrefix("md") ? "md/level" : nil
        guard let file, let name = try tree.textIfPresent("\(folder)/\(file)"), !name.isEmpty else { return device }
        return "\(device) (\(name))"
    }

    /// `MAJOR:MINOR`; `nil` when the device has gone.
    func number(of device: String) throws(FileTreeError) -> String? {
        try tree.textIfPresent("\(KernelFolder.block)/\(device)/dev")
    }

    func partitions(of disk: String) -> [String] { partitions[disk] ?? [] }

    /// Whether the device is a whole disk with contents of its own. A partition is not; nor is the empty slot of a card
    /// reader, which has no size; nor a hidden NVMe path, whose contents are those of its subsystem's device.
    func isDisk(_ device: String) throws(FileTreeError) -> Bool {
        if allPartitions.contains(device) { return false }
        let folder = "\(KernelFolder.block)/\(device)"
        let isEmpty = try tree.textIfPresent("\(folder)/size") == "0"
        let isHidden = try tree.textIfPresent("\(folder)/hidden") == "1"
        return !isEmpty && !isHidden
    }
}

/// The folders of the device classes that this module reads.
enum KernelFolder {
    static let block = "/sys/class/block"
    static let network = "/sys/class/net"
    static let input = "/sys/class/input"
}
