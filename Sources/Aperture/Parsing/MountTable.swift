/// One line of `/proc/PID/mountinfo` (`show_mountinfo()` in fs/proc_namespace.c): the fields that tell which devices
/// the file system uses.
package struct Mount: Hashable, Sendable {
    /// `MAJOR:MINOR` of the block device; the major number is 0 for a file system that has no device of its own, or
    /// several (btrfs, bcachefs, zfs, overlay, nfs, …: `get_anon_bdev()`).
    package var number: String
    /// The mount point, below the root of the process PID.
    package var point: String
    /// `ext4`, `btrfs`, `fuse.sshfs`, …
    package var type: String
    /// What was mounted: a node, a pool's data set, or any other text.
    package var source: String
    /// The file system's own options: `rw`, `logdev=/dev/sdb1`, …
    package var options: [String]

    /// A line whose escapes are decoded already.
    package init(number: String, point: String, type: String, source: String, options: [String] = []) {
        self.number = number
        self.point = point
        self.type = type
        self.source = source
        self.options = options
    }

    /// The nodes of its devices beside the one that ``number`` names: the log of an xfs, and the source where there is
    /// no number (`/dev/sda2` of a btrfs, `/dev/sda:/dev/sdb` of a bcachefs).
    ///
    /// Empty for a FUSE file system: whoever mounts it chooses the source (`fsname=`), and one on a block device
    /// (`fuseblk`) has a number.
    package var nodes: [String] {
        guard !type.hasPrefix("fuse") else { return [] }
        let values = options.compactMap { option in
            option.firstIndex(of: "=").map { String(option[option.index(after: $0)...]) }
        }
        let sources = number.hasPrefix("0:") ? source.split(separator: ":").map(String.init) : []
        return (sources + values).filter { $0.hasPrefix("/dev/") }
    }

    /// The pool of a ZFS data set: `rpool` of `rpool/ROOT/debian`, and of its snapshot `rpool/ROOT@monday`.
    package var pool: String? {
        guard type == "zfs" else { return nil }
        return source.split(whereSeparator: { $0 == "/" || $0 == "@" }).first.map(String.init)
    }
}

/// Reads the kernel's tables of mounts and of swap space.
package enum MountTable {
    /// Reads `/proc/PID/mountinfo`: `36 35 8:2 /root /point rw,noatime shared:1 - ext4 /dev/sda2 rw,errors=continue`.
    package static func parse(_ bytes: [UInt8]) throws(ParseError) -> [Mount] {
        var mounts: [Mount] = []
        for (index, line) in lines(of: bytes).enumerated() where !line.isEmpty {
            // The source may be empty, and then two spaces stand side by side.
            let fields = line.split(separator: space, omittingEmptySubsequences: false)
            // Behind the six fixed fields come any number of optional ones, and a lone "-" ends them.
            guard
                let dash = fields.indices.dropFirst(6).first(where: { fields[$0].elementsEqual("-".utf8) }),
                fields.count >= dash + 3
            else {
                throw ParseError(
                    source: "mountinfo", line: index + 1, column: 1,
                    expected: "six fields, \" - \", a type and a source")
            }
            let options = fields.count > dash + 3 ? fields[dash + 3].split(separator: UInt8(ascii: ",")) : []
            mounts.append(
                Mount(
                    number: String(decoding: fields[2], as: UTF8.self), point: unescaped(fields[4]),
                    type: unescaped(fields[dash + 1]), source: unescaped(fields[dash + 2]),
                    options: options.map(unescaped)))
        }
        return mounts
    }

    /// Reads `/proc/swaps`: the nodes of the swap partitions. Swap files are left out, as their file systems are
    /// mounted.
    package static func swapPartitions(_ bytes: [UInt8]) -> [String] {
        lines(of: bytes).dropFirst().compactMap { line in
            let fields = line.split(whereSeparator: { $0 == space || $0 == UInt8(ascii: "\t") })
            guard fields.count >= 2, fields[1].elementsEqual("partition".utf8) else { return nil }
            let path = unescaped(fields[0])
            // `d_path()` appends this to the name of a node that was deleted while it is in use.
            return path.hasSuffix(" (deleted)") ? String(path.dropLast(10)) : path
        }
    }

    private static let space = UInt8(ascii: " ")

    /// Splits bytes, not characters: a name may end with "\r", and to Swift that and the line feed are one character.
    private static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    }

    /// Space, tab, line feed and backslash are written as `\` and three octal digits (`mangle_path()`).
    private static func unescaped(_ field: ArraySlice<UInt8>) -> String {
        guard field.contains(UInt8(ascii: "\\")) else { return String(decoding: field, as: UTF8.self) }
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
