internal import Aperture
internal import KernelFiles

/// What the host uses block devices for, as far as it does not show in the stack itself: file systems, swap, ZFS.
///
/// Each of the kernel's tables is read once. One that cannot be read is among ``doubts``, and what the others say holds.
struct DiskUse {
    /// A mount, with the block devices that it names by their nodes.
    private struct Located {
        let mount: Mount
        let devices: Set<String>
    }

    /// Why something could not be read.
    private(set) var doubts: [String] = []
    private var mounts: [Located] = []
    /// The devices of each mounted file system that may have several.
    private var fileSystems: [Set<String>] = []
    /// The devices that a file system has under its own name in sysfs.
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

    /// Where the file system is mounted that the device is of; one `nil` for one that is mounted out of observation.
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

    /// What udev found on the device when it appeared (`/run/udev/data/bMAJOR:MINOR`, one `E:` line a property): the type
    /// of its file system, and the label, which is a ZFS pool's name; `nil` without an entry or a type.
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

    /// This process's mounts, and those of process 1: a service may have been started with mounts of its own.
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
                // Process 1 need not be shown (`hidepid`).
                continue
            } catch {
                doubts.append(error is FileTreeError ? "\(error)" : "\(path): \(error)")
            }
        }
        pools = Set(mounts.compactMap(\.mount.pool))
    }

    /// btrfs and bcachefs list the devices of each file system that is mounted, in whichever namespace
    /// (`btrfs_sysfs_add_device()`: `devices/sda2`; `bch2_dev_sysfs_online()`: `dev-0/block`).
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

    /// These file systems have a folder for each that is mounted, named by its device (`s_id`), and the journal of ext4
    /// one for the device that it is on, which may be another: `sda2-8`, `sdb1` (`jbd2_stats_proc_init()`).
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
            // A kernel without swap.
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

    /// One folder for each imported pool, whether or not a data set of it is mounted (`spa_stats_init()`); beside the
    /// folders stand files.
    private static func readPools(_ use: inout DiskUse) throws(FileTreeError) {
        let folder = "/proc/spl/kstat/zfs"
        for name in try use.tree.listIfPresent(folder) {
            if try !use.tree.listIfPresent("\(folder)/\(name)").isEmpty { use.pools.insert(name) }
        }
    }
}
