internal import Aperture
internal import KernelFiles

/// The host's uses of block devices that ``BlockStack`` does not show: file systems, swap and ZFS.
///
/// Each of the kernel's tables is read once. A table that cannot be read adds to ``doubts``; the others still count.
struct DiskUse {
    /// A mount, and the block devices whose nodes it names.
    private struct Located {
        let mount: Mount
        let devices: Set<String>
    }

    /// Why some of the tables could not be read.
    private(set) var doubts: [String] = []
    private var mounts: [Located] = []
    /// The devices of each mounted file system that may have several.
    private var fileSystems: [Set<String>] = []
    /// The devices that file systems name in sysfs or procfs.
    private var named: Set<String> = []
    private var swaps: Set<String> = []
    /// The imported ZFS pools.
    private(set) var pools: Set<String> = []

    private let tree: FileTree
    private let stack: BlockStack

    init(tree: FileTree, stack: BlockStack) {
        self.tree = tree
        self.stack = stack
        readMounts()
        read(Self.readFileSystems)
        read(Self.readNames)
        read(Self.readSwaps)
        read(Self.readPools)
    }

    /// The mount points of the device's file system; one `nil` when it is mounted only where this process cannot see.
    func points(of device: String) throws(FileTreeError) -> [String?] {
        let number = try stack.number(of: device)
        let companions = fileSystems.filter { $0.contains(device) }
        let found = mounts.filter { located in
            located.mount.number == number || located.devices.contains(device)
                || companions.contains { !$0.isDisjoint(with: located.devices) }
        }
        if !found.isEmpty { return found.map(\.mount.point) }
        return companions.isEmpty && !named.contains(device) ? [] : [nil]
    }

    func isSwap(_ device: String) -> Bool { swaps.contains(device) }

    /// The type and the label of the device's file system, from udev's database (`/run/udev/data/bMAJOR:MINOR`, one
    /// `E:` line for each property). The label of a ZFS member is its pool's name. `nil` without an entry or a type.
    func content(of device: String) throws(FileTreeError) -> (type: String, label: String?)? {
        guard
            let number = try stack.number(of: device),
            let properties = try tree.textIfPresent("/run/udev/data/b\(number)")
        else { return nil }
        func property(_ name: String) -> String? {
            properties.split(separator: "\n").first { $0.hasPrefix("E:\(name)=") }
                .map { String($0.dropFirst(name.count + 3)) }
        }
        return property("ID_FS_TYPE").map { ($0, property("ID_FS_LABEL")) }
    }

    // MARK: - Reading

    private mutating func read(_ table: (inout DiskUse) throws(FileTreeError) -> Void) {
        do {
            try table(&self)
        } catch {
            doubts.append(error.description)
        }
    }

    /// Reads this process's mounts, and those of process 1: a service may have a mount namespace of its own.
    private mutating func readMounts() {
        let own = "/proc/self/mountinfo"
        for path in [own, "/proc/1/mountinfo"] {
            do {
                let table = try MountTable.parse(try tree.bytes(path))
                for mount in Set(table).subtracting(mounts.map(\.mount)) {
                    let devices = try mount.nodes.compactMap { try stack.device(ofNode: $0) }
                    mounts.append(Located(mount: mount, devices: Set(devices)))
                }
            } catch let error as FileTreeError where error.isAbsence && path != own {
                // With `hidepid` process 1 may be hidden.
                continue
            } catch {
                doubts.append(error is FileTreeError ? "\(error)" : "\(path): \(error)")
            }
        }
        pools = Set(mounts.compactMap(\.mount.pool))
    }

    /// Reads the devices of btrfs and bcachefs file systems, which list those of each mounted file system in sysfs,
    /// whatever the namespace (`btrfs_sysfs_add_device()`: `devices/sda2`; `bch2_dev_sysfs_online()`: `dev-0/block`).
    private static func readFileSystems(_ use: inout DiskUse) throws(FileTreeError) {
        let tree = use.tree
        for name in try tree.listIfPresent("/sys/fs/btrfs") {
            let devices = try tree.listIfPresent("/sys/fs/btrfs/\(name)/devices")
            if !devices.isEmpty { use.fileSystems.append(Set(devices)) }
        }
        for name in try tree.listIfPresent("/sys/fs/bcachefs") {
            let folder = "/sys/fs/bcachefs/\(name)"
            let parts = try tree.listIfPresent(folder).filter { $0.hasPrefix("dev-") }
            var devices: Set<String> = []
            for part in parts {
                if let device = try tree.linkName("\(folder)/\(part)/block") { devices.insert(device) }
            }
            if !devices.isEmpty { use.fileSystems.append(devices) }
        }
    }

    /// Reads the folders that these file systems have for each mounted one, named by its device (`s_id`). ext4's
    /// journal has a folder too, named by its own device, which may be another: `sda2-8`, `sdb1`
    /// (`jbd2_stats_proc_init()`).
    private static func readNames(_ use: inout DiskUse) throws(FileTreeError) {
        for type in ["ext4", "xfs", "f2fs", "erofs", "nilfs2"] {
            use.named.formUnion(try use.tree.listIfPresent("/sys/fs/\(type)"))
        }
        for name in try use.tree.listIfPresent("/proc/fs/jbd2") {
            use.named.insert(name)
            if let dash = name.lastIndex(of: "-"), name[dash...].dropFirst().allSatisfy(\.isNumber) {
                use.named.insert(String(name[..<dash]))
            }
        }
    }

    private static func readSwaps(_ use: inout DiskUse) throws(FileTreeError) {
        let bytes: [UInt8]
        do {
            bytes = try use.tree.bytes("/proc/swaps")
        } catch  where error.isAbsence {
            // The kernel has no swap.
            return
        }
        for node in MountTable.swapPartitions(bytes) {
            if let device = try use.stack.device(ofNode: node) {
                use.swaps.insert(device)
            } else {
                use.doubts.append("/proc/swaps names \(node), which is no block device's node")
            }
        }
    }

    /// Reads the names of imported pools: each has a folder, whether or not a data set of it is mounted
    /// (`spa_stats_init()`). The plain files beside the folders are no pools.
    private static func readPools(_ use: inout DiskUse) throws(FileTreeError) {
        let folder = "/proc/spl/kstat/zfs"
        for name in try use.tree.listIfPresent(folder) {
            if try !use.tree.listIfPresent("\(folder)/\(name)").isEmpty { use.pools.insert(name) }
        }
    }
}
