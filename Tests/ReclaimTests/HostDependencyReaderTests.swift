import Aperture
import Fixtures
import KernelFiles
import Reclaim
import SystemPackage
import Testing

/// Where the function under test is, its USB disk, and its SATA disk.
private let home = "pci0000:00/0000:00:08.1/0000:05:00.3"
private let usb = "\(home)/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block"
private let sata = "\(home)/ata1/host0/target0:0:0/0:0:0:0/block"
/// A disk of another function of the same slot.
private let other = "pci0000:00/0000:00:08.1/0000:05:00.4/ata2/host1/target1:0:0/1:0:0:0/block"

struct DependencyCase: Sendable, CustomTestStringConvertible {
    let name: String
    let expected: [String]
    let build: @Sendable (inout HostFiles) throws -> Void

    init(_ name: String, _ expected: [String], _ build: @escaping @Sendable (inout HostFiles) throws -> Void) {
        self.name = name
        self.expected = expected
        self.build = build
    }

    var testDescription: String { name }
}

@Suite("Host dependency reader")
struct HostDependencyReaderTests {
    private func read(
        _ addresses: [String] = ["0000:05:00.3"], _ build: (inout HostFiles) throws -> Void
    ) throws -> [PCIAddress: [HostDependency]] {
        let folder = try TemporaryFolder()
        var files = HostFiles(folder)
        try files.function(home)
        // A machine always has its mounts.
        try files.mount("0:22", "/proc", "proc", "proc")
        try build(&files)
        let reader = HostDependencyReader(tree: FileTree(root: FilePath(folder.path)))
        return reader.dependencies(of: addresses.compactMap { PCIAddress($0) })
    }

    @Test("What hangs below a function is found", arguments: disks + volumes + outOfSight + pools + interfaces + inputs)
    func dependencies(row: DependencyCase) throws {
        let found = try read { try row.build(&$0) }
        #expect(found.values.flatMap(\.self).map(\.description) == row.expected)
    }

    @Test("What stands on the disks of two functions is of both, and a third has nothing")
    func twoFunctions() throws {
        let found = try read(["0000:05:00.3", "0000:05:00.4", "0000:05:00.5"]) { files in
            try files.block("\(sata)/sda", "8:0")
            try files.block("\(other)/sdb", "8:16")
            try files.block("virtual/block/md0", "9:0", on: ["sda", "sdb"])
            try files.mount("9:0", "/", "ext4", "/dev/md0")
        }
        #expect(
            found.map { "\($0.key): \($0.value.map(\.description).joined(separator: ", "))" }.sorted() == [
                "0000:05:00.3: / is mounted from md0, md0 is on sda",
                "0000:05:00.4: / is mounted from md0, md0 is on sdb",
            ])
    }

    @Test("Control characters in names do not reach a terminal")
    func printable() throws {
        let found = try read { files in
            try files.block("\(usb)/sda", "8:0")
            try files.mount("8:0", "/media/a\\040b\\012\u{1b}[2Jc\r", "vfat", "/dev/sda")
            try files.input("\(home)/usb1/1-3/1-3:1.0/0003:046D:C31C.0001/input/input5", name: "key\u{1b}[31m\u{202e}s")
        }
        #expect(
            found.values.flatMap(\.self).map(\.description) == [
                "/media/a b??[2Jc? is mounted from sda", "key?[31m?s (input5) is an input device",
            ])
    }

    // MARK: - What cannot be read

    @Test(
        "What cannot be read is unknown, with the file's name, and what else is known stays",
        arguments: [
            "/sys/class/block", "/sys/class/net", "/sys/class/input", "/sys/class/block/sda2/holders",
            "/proc/self/mountinfo", "/proc/1/mountinfo", "/proc/swaps", "/sys/fs/btrfs", "/sys/fs/ext4",
            "/proc/fs/jbd2",
            "/sys/bus/pci/devices/0000:05:00.3/net",
        ])
    func unreadable(path: String) throws {
        let found = try read { files in
            try files.block("\(sata)/sda", "8:0")
            try files.block("\(sata)/sda/sda2", "8:2")
            try files.mount("8:2", "/srv", "ext4", "/dev/sda2")
            try files.interface("\(home)/virtio3/net/eth0")
            if files.folder.exists(path) { try files.folder.remove(path) }
            try files.folder.makeFolder(path.split(separator: "/").dropLast().map { "/\($0)" }.joined())
            // A link to itself: ELOOP, which is no absence.
            try files.folder.symlink(path, destination: String(path.split(separator: "/").last ?? ""))
        }
        let dependencies = try #require(found.values.first)
        let reasons = dependencies.compactMap { if case .unknown(let reason) = $0.kind { reason } else { nil } }
        #expect(reasons.count == 1 && reasons.allSatisfy { $0.contains(path) })
        #expect(dependencies.contains { $0.device == "eth0" } == (path != "/sys/class/net"))
        let hidesDisk = ["/sys/class/block", "/sys/class/block/sda2/holders", "/proc/self/mountinfo"].contains(path)
        #expect(dependencies.contains { $0.description.contains("/srv") } == !hidesDisk)
    }

    @Test(
        "A table of mounts that makes no sense, or is not there, is unknown where there is a disk",
        arguments: [true, false])
    func mounts(isThere: Bool) throws {
        let found = try read { files in
            try files.block("\(sata)/sda", "8:0")
            try files.folder.remove("/proc/self/mountinfo")
            if isThere { try files.folder.write("36 35 8:2 / / rw\n", to: "/proc/self/mountinfo") }
        }
        let dependency = try #require(found.values.first?.first)
        #expect(dependency.description.contains("/proc/self/mountinfo"))
        #expect(!dependency.isWarning)
        let without = try read { files in
            try files.folder.remove("/proc/self/mountinfo")
            try files.block("\(other)/sdb", "8:16")
        }
        #expect(without.isEmpty)
    }

    // MARK: - In a snapshot

    @Test("A snapshot has the dependencies of what could go with a GPU, and of nothing else")
    func snapshot() throws {
        let host = try FixtureHost {
            GPU("0000:05:00.0", driver: "amdgpu", group: 12)
            Function("0000:05:00.1", class: 0x040300, driver: "snd_hda_intel", group: 13)
            Function("0000:05:00.3", class: 0x0c0330, driver: "xhci_hcd", group: 14)
            Function("0000:01:00.0", class: 0x010802, driver: "nvme", group: 12)
            Function("0000:02:00.0", class: 0x020000, driver: "igb", group: 14)
            Function("0000:03:00.0", class: 0x020000, driver: "igb", group: 20)
            Function("0000:00:08.1", class: 0x060400, driver: "pcieport", group: 12)
        }
        var files = HostFiles(host.folder)
        try files.block("pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1", "259:0")
        try files.mount("259:0", "/", "ext4", "/dev/nvme0n1")
        try files.input("pci0000:00/0000:05:00.3/usb1/1-1/1-1:1.0/0003:046D:C31C.0001/input/input5", name: "Keyboard")
        for address in ["0000:02:00.0", "0000:03:00.0", "0000:00:08.1", "0000:05:00.0", "0000:05:00.1"] {
            try files.interface("pci0000:00/\(address)/net/n\(address.dropFirst(5).prefix(5).filter { $0 != ":" })")
        }
        let found = try host.snapshot(withHolders: false).hostDependencies
        #expect(
            found.map { "\($0.key): \($0.value.map(\.description).joined(separator: ", "))" }.sorted() == [
                "0000:01:00.0: / is mounted from nvme0n1", "0000:02:00.0: n0200 is up",
                "0000:05:00.3: Keyboard (input5) is an input device",
            ])
    }
}

// MARK: - Rows

private let disks = [
    DependencyCase("nothing", []) { _ in },
    DependencyCase("an NVMe disk", ["/ is mounted from nvme0n1p2"]) { files in
        try files.block("\(home)/nvme/nvme0/nvme0n1", "259:0")
        try files.block("\(home)/nvme/nvme0/nvme0n1/nvme0n1p1", "259:1")
        try files.block("\(home)/nvme/nvme0/nvme0n1/nvme0n1p2", "259:2")
        try files.mount("259:2", "/", "ext4", "/dev/root")
    },
    DependencyCase("an NVMe disk with native multipath", ["/home is mounted from nvme0n1p1"]) { files in
        try files.block("\(home)/nvme/nvme0/nvme0c0n1", "0:0")
        try files.folder.write("1\n", to: "/sys/class/block/nvme0c0n1/hidden")
        let subsystem = "virtual/nvme-subsystem/nvme-subsys0"
        try files.block("\(subsystem)/nvme0n1", "259:0")
        try files.block("\(subsystem)/nvme0n1/nvme0n1p1", "259:1")
        try files.folder.link("/sys/devices/\(subsystem)/nvme0", to: "/sys/devices/\(home)/nvme/nvme0")
        try files.folder.link("/sys/class/nvme-subsystem/nvme-subsys0", to: "/sys/devices/\(subsystem)")
        try files.mount("259:1", "/home", "xfs", "/dev/nvme0n1p1")
    },
    DependencyCase("another function's NVMe disk with native multipath", []) { files in
        let subsystem = "virtual/nvme-subsystem/nvme-subsys1"
        try files.block("\(subsystem)/nvme1n1", "259:0")
        try files.folder.link(
            "/sys/devices/\(subsystem)/nvme1", to: "/sys/devices/pci0000:00/0000:00:1d.0/0000:06:00.0/nvme/nvme1")
        try files.folder.link("/sys/class/nvme-subsystem/nvme-subsys1", to: "/sys/devices/\(subsystem)")
        try files.mount("259:0", "/home", "xfs", "/dev/nvme1n1")
    },
    DependencyCase("an NVMe disk behind a VMD", ["/ is mounted from nvme0n1"]) { files in
        try files.block("\(home)/pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0/nvme0n1", "259:0")
        try files.mount("259:0", "/", "ext4", "/dev/nvme0n1")
    },
    DependencyCase("the same address in a VMD's domain is another function", []) { files in
        try files.block("pci0000:00/0000:00:0e.0/pci10000:05/10000:05:00.3/nvme/nvme0/nvme0n1", "259:0")
        try files.mount("259:0", "/", "ext4", "/dev/nvme0n1")
    },
    DependencyCase(
        "a SATA disk with swap, a mount of two places and one that is not used",
        ["/ is mounted from sda2", "/srv/a is mounted from sda2", "swap is on sda3"]
    ) { files in
        for (name, number) in [("sda", "8:0"), ("sda/sda2", "8:2"), ("sda/sda3", "8:3"), ("sda/sda4", "8:4")] {
            try files.block("\(sata)/\(name)", number)
        }
        try files.block("\(other)/sdb", "8:16")
        try files.block("\(other)/sdb/sdb1", "8:17")
        try files.mount("8:2", "/srv/a", "ext4", "/dev/sda2")
        try files.mount("8:2", "/", "ext4", "/dev/sda2")
        try files.mount("8:17", "/other", "ext4", "/dev/sdb1")
        try files.swaps(["/dev/sda3                               partition", "/swapfile file"])
    },
    DependencyCase("a USB stick at a point with a space", ["/media/my disk is mounted from sdc1"]) { files in
        try files.block("\(usb)/sdc", "8:32")
        try files.block("\(usb)/sdc/sdc1", "8:33")
        try files.mount("8:33", "/media/my\\040disk", "fuseblk", "/dev/sdc1")
    },
    DependencyCase("a name that a user gave to a FUSE mount is none of it", []) { files in
        try files.block("\(usb)/sdc", "8:32")
        try files.mount("0:55", "/home/u/x", "fuse.sshfs", "/dev/sdc")
        try files.mount("0:56", "/home/u/y", "fuse", "/dev/sdc", options: "rw,user_id=1000,subtype=/dev/sdc")
    },
    DependencyCase("a disk with a \"/\" in its name", ["swap is on c0d0p1"]) { files in
        try files.block("\(home)/cciss0/c0d0/block/cciss!c0d0", "104:0")
        try files.block("\(home)/cciss0/c0d0/block/cciss!c0d0/c0d0p1", "104:1")
        try files.swaps(["/dev/c0d0p1 partition"])
    },
    DependencyCase("a node with a \"/\" in its name", ["swap is on cciss!c0d0"]) { files in
        try files.block("\(home)/cciss0/c0d0/block/cciss!c0d0", "104:0")
        try files.swaps(["/dev/cciss/c0d0 partition"])
    },
    DependencyCase(
        "a swap node that leads nowhere",
        [
            "what depends on 0000:05:00.3 is not known: /proc/swaps names /dev/sdx9, which is no block device's node"
        ]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.swaps(["/dev/sdx9\\040(deleted) partition"])
    },
]

private let volumes = [
    DependencyCase(
        "LVM on LUKS on a partition",
        [
            "/ is mounted from dm-1 (vg-root)", "swap is on dm-2 (vg-swap)",
            "dm-1 (vg-root) is on dm-0 (luks-root)", "dm-2 (vg-swap) is on dm-0 (luks-root)",
            "dm-0 (luks-root) is on nvme0n1p3",
        ]
    ) { files in
        try files.block("\(home)/nvme/nvme0/nvme0n1", "259:0")
        try files.block("\(home)/nvme/nvme0/nvme0n1/nvme0n1p3", "259:3")
        try files.mapper(0, "luks-root", on: ["nvme0n1p3"])
        try files.mapper(1, "vg-root", on: ["dm-0"])
        try files.mapper(2, "vg-swap", on: ["dm-0"])
        try files.mount("253:1", "/", "ext4", "/dev/mapper/vg-root")
        try files.swaps(["/dev/dm-2 partition"])
    },
    DependencyCase(
        "a volume's node that no udev made", ["swap is on dm-0 (vg-swap)", "dm-0 (vg-swap) is on sda"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.mapper(0, "vg-swap", on: ["sda"])
        try files.folder.remove("/dev/mapper/vg-swap")
        try files.swaps(["/dev/mapper/vg-swap partition"])
    },
    DependencyCase("a crypt device that nobody mounted", ["dm-0 (luks-x) is on sda1"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.mapper(0, "luks-x", on: ["sda1"])
    },
    DependencyCase(
        "a partition of a RAID of disks here and elsewhere",
        ["/data is mounted from md127p1", "md127 (raid1) is on sda1"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.block("\(other)/sdb", "8:16")
        try files.block("virtual/block/md127", "9:127", on: ["sda1", "sdb"])
        try files.block("virtual/block/md127/md127p1", "259:9")
        try files.folder.write("raid1\n", to: "/sys/class/block/md127/md/level")
        try files.mount("259:9", "/data", "ext4", "/dev/md127p1")
    },
    DependencyCase("a cache of bcache's", ["/ is mounted from bcache0", "bcache0 is on nvme0n1"]) { files in
        try files.block("\(home)/nvme/nvme0/nvme0n1", "259:0")
        try files.block("\(other)/sdb", "8:16")
        try files.block("virtual/block/bcache0", "252:0", on: ["nvme0n1", "sdb"])
        try files.mount("252:0", "/", "ext4", "/dev/bcache0")
    },
    DependencyCase("a loop device on a partition's node", ["/mnt is mounted from loop3"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.block("virtual/block/loop3", "7:3")
        try files.folder.makeFolder("/dev/disk/by-id")
        try files.folder.symlink("/dev/disk/by-id/one", destination: "../../sda1")
        try files.folder.write("/dev/disk/by-id/one\n", to: "/sys/class/block/loop3/loop/backing_file")
        try files.mount("7:3", "/mnt", "squashfs", "/dev/loop3")
    },
    DependencyCase("a loop device on a file", ["/ is mounted from sda"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("virtual/block/loop3", "7:3")
        try files.folder.write("/var/lib/snapd/snaps/x.snap\n", to: "/sys/class/block/loop3/loop/backing_file")
        try files.mount("8:0", "/", "ext4", "/dev/sda")
        try files.mount("7:3", "/snap/x", "squashfs", "/dev/loop3")
    },
    DependencyCase("a zram that writes back to a partition", ["swap is on zram0"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("virtual/block/zram0", "254:0")
        try files.block("virtual/block/zram1", "254:1")
        try files.folder.write("/dev/sda\n", to: "/sys/class/block/zram0/backing_dev")
        try files.folder.write("none\n", to: "/sys/class/block/zram1/backing_dev")
        try files.swaps(["/dev/zram0 partition", "/dev/zram1 partition"])
    },
    DependencyCase(
        "a btrfs that was mounted by its other disk",
        ["/ is mounted from sda1", "/home is mounted from sda1"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.block("\(other)/sdb", "8:16")
        try files.mapper(0, "luks-b", on: ["sdb"])
        for name in ["sda1", "dm-0"] {
            try files.folder.link("/sys/fs/btrfs/0a1b/devices/\(name)", to: "/sys/class/block/\(name)")
        }
        try files.folder.makeFolder("/sys/fs/btrfs/features")
        try files.mount("0:30", "/", "btrfs", "/dev/mapper/luks-b", options: "rw,subvol=/@")
        try files.mount("0:30", "/home", "btrfs", "/dev/mapper/luks-b", options: "rw,subvol=/@home")
    },
    DependencyCase("another btrfs's mount is none of it", []) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(other)/sdb", "8:16")
        try files.folder.link("/sys/fs/btrfs/0a1b/devices/sdb", to: "/sys/class/block/sdb")
        try files.mount("0:30", "/", "btrfs", "/dev/sdb")
    },
    DependencyCase("a bcachefs of two disks", ["/ is mounted from sda"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(other)/sdb", "8:16")
        try files.mount("0:31", "/", "bcachefs", "/dev/sdb:/dev/sda")
    },
    DependencyCase("an xfs whose log is here", ["/srv is mounted from sda"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(other)/sdb", "8:16")
        try files.mount("8:16", "/srv", "xfs", "/dev/sdb", options: "rw,logdev=/dev/sda,noquota")
    },
]

private let outOfSight = [
    DependencyCase("a mount that process 1 alone has", ["/secret is mounted from sda"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.folder.write("36 35 8:0 / /secret rw - vfat /dev/sda rw\n", to: "/proc/1/mountinfo")
    },
    DependencyCase(
        "an ext4 in another mount namespace",
        ["a file system uses sda1, and its mount point is not known"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.folder.makeFolder("/sys/fs/ext4/sda1")
        try files.folder.makeFolder("/sys/fs/ext4/features")
    },
    DependencyCase(
        "a btrfs in another mount namespace",
        ["a file system uses sda, and its mount point is not known"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.folder.link("/sys/fs/btrfs/0a1b/devices/sda", to: "/sys/class/block/sda")
    },
    DependencyCase(
        "a bcachefs in another mount namespace",
        ["a file system uses sda, and its mount point is not known"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.folder.link("/sys/fs/bcachefs/0a1b/dev-0/block", to: "/sys/class/block/sda")
    },
    DependencyCase(
        "the journal of another disk's ext4",
        ["a file system uses sda1, and its mount point is not known"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.folder.makeFolder("/proc/fs/jbd2/sda1")
        try files.folder.makeFolder("/proc/fs/jbd2/sdb-8")
    },
]

private let pools = [
    DependencyCase("a member of an imported pool", ["the ZFS pool rpool is on nvme0n1p3"]) { files in
        for (name, number) in [("", "259:0"), ("/nvme0n1p1", "259:1"), ("/nvme0n1p3", "259:3")] {
            try files.block("\(home)/nvme/nvme0/nvme0n1\(name)", number)
        }
        try files.content("259:3", type: "zfs_member", label: "rpool")
        try files.mount("0:40", "/", "zfs", "rpool/ROOT/pve-1")
    },
    DependencyCase(
        "a disk that may be a member",
        ["sda may be part of a ZFS pool whose disks are not known (rpool, tank)"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.mount("0:40", "/", "zfs", "rpool/ROOT/pve-1")
        try files.folder.write("ONLINE\n", to: "/proc/spl/kstat/zfs/tank/state")
        try files.folder.write("1\n", to: "/proc/spl/kstat/zfs/arcstats")
    },
    DependencyCase(
        "a member that udev does not name",
        ["sda may be part of a ZFS pool whose disks are not known (tank)"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.content("8:0", type: "zfs_member")
        try files.folder.write("ONLINE\n", to: "/proc/spl/kstat/zfs/tank/state")
    },
    DependencyCase(
        "a partition that nothing explains",
        ["sda may be part of a ZFS pool whose disks are not known (tank)"]
    ) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.block("\(sata)/sda/sda1", "8:1")
        try files.block("\(sata)/sda/sda2", "8:2")
        try files.content("8:1", type: "ntfs")
        try files.folder.write("ONLINE\n", to: "/proc/spl/kstat/zfs/tank/state")
    },
    DependencyCase("disks that something else explains", ["/srv is mounted from sdc"]) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.content("8:0", type: "ntfs")
        try files.block("\(usb)/sdb", "8:16", size: 0)
        try files.block("\(usb)/sdc", "8:32")
        try files.block("\(usb)/sdd", "8:48")
        try files.content("8:48", type: "zfs_member", label: "exported")
        try files.mount("8:32", "/srv", "ext4", "/dev/sdc")
        try files.folder.write("ONLINE\n", to: "/proc/spl/kstat/zfs/tank/state")
    },
    DependencyCase("a member, and no pool is imported", []) { files in
        try files.block("\(sata)/sda", "8:0")
        try files.content("8:0", type: "zfs_member", label: "tank")
        try files.folder.write("1\n", to: "/proc/spl/kstat/zfs/arcstats")
    },
]

/// What a state and flags come to.
private let states: [(state: String?, flags: UInt32?, isUp: Bool)] = [
    ("up", 0x1003, true), ("up", nil, true), ("down", 0x1003, false), ("lowerlayerdown", 0x1003, false),
    ("notpresent", 0x1002, false), ("unknown", 0x1003, true), ("unknown", 0x1002, false), ("unknown", nil, true),
    ("dormant", 0x1003, true), ("dormant", 0x1002, false), (nil, 0x1003, true), (nil, 0x1002, false), (nil, nil, true),
]

private let interfaces =
    states.map { state, flags, isUp in
        DependencyCase(
            "an interface that is \(state ?? "unread"), \(flags.map { "\($0)" } ?? "unread")",
            isUp ? ["eth0 is up"] : []
        ) { files in
            try files.interface("\(home)/net/eth0", state: state, flags: flags)
        }
    } + [
        DependencyCase(
            "a USB adapter and a virtual one below a bond, a bridge and a VLAN",
            ["enp5s0f3 is up", "enx00e04c680001 is up"]
        ) { files in
            try files.interface("\(home)/usb1/1-2/1-2:1.0/net/enx00e04c680001")
            try files.interface("\(home)/virtio3/net/enp5s0f3")
            for name in ["bond0", "br0", "br0.7", "lo"] { try files.interface("virtual/net/\(name)") }
            try files.interface("pci0000:00/0000:00:1f.6/net/eno1")
            try files.folder.write("eth0\n", to: "/sys/class/net/bonding_masters")
        },
        DependencyCase(
            "an interface in another network namespace",
            [
                "what depends on 0000:05:00.3 is not known: its network interface is in another network namespace"
            ]
        ) { files in
            try files.folder.makeFolder("/sys/devices/\(home)/net")
        },
    ]

private let inputs = [
    DependencyCase("a keyboard, and no event node", ["Logitech USB Keyboard (input5) is an input device"]) { files in
        try files.input("\(home)/usb1/1-3/1-3:1.0/0003:046D:C31C.0001/input/input5", name: "Logitech USB Keyboard")
    },
    DependencyCase("a sound card's jack is none", []) { files in
        try files.input("\(home)/sound/card1/input12", name: "HD-Audio Generic Front Headphone")
    },
]
