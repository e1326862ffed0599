import Aperture
import Testing

@Suite("Mount table")
struct MountTableTests {
    @Test(
        "A line is read, whatever is in its names",
        arguments: [
            ("36 35 8:2 / / rw,noatime shared:1 - ext4 /dev/sda2 rw", "8:2 / ext4 /dev/sda2"),
            ("36 35 8:2 /sub /a\\040b rw - ext4 /dev/sda2 rw", "8:2 /a b ext4 /dev/sda2"),
            (
                "36 35 8:2 / /a\\134b\\011c\\012d rw shared:1 master:2 - ext4 /dev/sda2 rw",
                "8:2 /a\\b\tc\nd ext4 /dev/sda2"
            ),
            ("36 35 8:2 / /a\\99\\+12\\7 rw - ext4 /dev/sda2 rw", "8:2 /a\\99\\+12\\7 ext4 /dev/sda2"),
            ("42 27 0:39 / /tmp/m rw,relatime - tmpfs  rw", "0:39 /tmp/m tmpfs "),
            ("42 27 0:39 / /x\r rw - zfs tank/a@b\r", "0:39 /x\r zfs tank/a@b\r"),
        ])
    func line(text: String, expected: String) throws {
        for end in ["", "\n"] {
            let mounts = try MountTable.parse(Array((text + end).utf8))
            #expect(mounts.map { "\($0.number) \($0.point) \($0.type) \($0.source)" } == [expected])
        }
    }

    @Test(
        "A line that ends too early is an error with its number",
        arguments: ["36 35 8:2 / / rw", "36 35 8:2 / / rw - ext4", "36 35 - ext4 a b c", "nonsense"])
    func malformed(text: String) {
        let error = #expect(throws: ParseError.self) {
            try MountTable.parse(Array("36 35 8:2 / / rw - ext4 /dev/sda2 rw\n\(text)\n".utf8))
        }
        #expect(error?.line == 2 && error?.source == "mountinfo")
    }

    @Test(
        "The nodes are those that the number does not give",
        arguments: [
            ("8:2", "ext4", "/dev/sda2", "rw", []),
            ("8:2", "xfs", "/dev/sda2", "rw,logdev=/dev/sdb1,rtdev=/dev/sdc1", ["/dev/sdb1", "/dev/sdc1"]),
            ("0:30", "btrfs", "/dev/sda2", "rw,subvol=/@", ["/dev/sda2"]),
            ("0:30", "bcachefs", "/dev/sda:/dev/sdb", "rw", ["/dev/sda", "/dev/sdb"]),
            ("0:30", "nfs4", "host:/dev/sda", "rw", ["/dev/sda"]),
            ("0:30", "tmpfs", "tmpfs", "rw,size=10", []),
            ("0:30", "fuse.sshfs", "/dev/sda", "rw,x=/dev/sdb", []),
        ] as [(String, String, String, String, [String])])
    func nodes(number: String, type: String, source: String, options: String, expected: [String]) {
        let mount = Mount(
            number: number, point: "/x", type: type, source: source,
            options: options.split(separator: ",").map(String.init))
        #expect(mount.nodes == expected)
    }

    @Test(
        "A ZFS data set's pool is its first word",
        arguments: [("rpool", "rpool"), ("rpool/ROOT/a", "rpool"), ("tank@monday", "tank"), ("", nil)])
    func pool(source: String, expected: String?) {
        #expect(Mount(number: "0:1", point: "/", type: "zfs", source: source).pool == expected)
        #expect(Mount(number: "0:1", point: "/", type: "ext4", source: source).pool == nil)
    }

    @Test("Swap partitions are read, and swap files are none")
    func swaps() {
        let text = """
            Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
            /dev/loop0                              partition\t307196\t\t0\t\t-2
            /a\\040b/swap                            file\t\t307196\t\t0\t\t-3
            /dev/dm-1\\040(deleted) partition 1 0 -4

            """
        #expect(MountTable.swapPartitions(Array(text.utf8)) == ["/dev/loop0", "/dev/dm-1"])
        #expect(MountTable.swapPartitions([]).isEmpty)
    }
}
