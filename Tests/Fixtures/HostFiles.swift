/// The part of sysfs, procfs and udev's data that says what a host uses its devices for, in a folder.
package struct HostFiles {
    package let folder: TemporaryFolder
    private var mounts: [String] = []

    package init(_ folder: TemporaryFolder) {
        self.folder = folder
    }

    /// A block device.
    /// - Parameters:
    ///   - place: Where sysfs keeps it, below /sys/devices: `pci0000:00/…/block/sda/sda2`.
    ///   - number: `MAJOR:MINOR`.
    ///   - lowers: The devices that it stands on and claims, which have been written before.
    ///   - size: In blocks of 512 bytes.
    package func block(_ place: String, _ number: String, on lowers: [String] = [], size: Int = 2_097_152) throws {
        let home = "/sys/devices/\(place)"
        guard let name = place.split(separator: "/").last else { return }
        try folder.write("\(number)\n", to: "\(home)/dev")
        try folder.write("\(size)\n", to: "\(home)/size")
        try folder.makeFolder("\(home)/holders")
        try folder.link("/sys/class/block/\(name)", to: home)
        try folder.link("/sys/dev/block/\(number)", to: home)
        for lower in lowers {
            try folder.link("/sys/class/block/\(lower)/holders/\(name)", to: home)
            try folder.link("\(home)/slaves/\(lower)", to: "/sys/class/block/\(lower)")
        }
    }

    /// A device-mapper device, with the node that udev names it by.
    package func mapper(_ number: Int, _ name: String, on lowers: [String]) throws {
        try block("virtual/block/dm-\(number)", "253:\(number)", on: lowers)
        try folder.write("\(name)\n", to: "/sys/class/block/dm-\(number)/dm/name")
        try folder.makeFolder("/dev/mapper")
        try folder.symlink("/dev/mapper/\(name)", destination: "../dm-\(number)")
    }

    /// One line of this process's mounts, as the kernel escapes it.
    package mutating func mount(
        _ number: String, _ point: String, _ type: String, _ source: String, options: String = "rw"
    ) throws {
        mounts.append(
            "\(30 + mounts.count) 1 \(number) / \(point) rw,relatime shared:1 - \(type) \(source) \(options)\n")
        try folder.write(mounts.joined(), to: "/proc/self/mountinfo")
    }

    /// `/proc/swaps`, of lines `NODE TYPE`.
    package func swaps(_ lines: [String]) throws {
        let rows = lines.map { "\($0)\t8388604\t\t0\t\t-2\n" }
        try folder.write("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + rows.joined(), to: "/proc/swaps")
    }

    /// A network interface, below /sys/devices.
    package func interface(_ place: String, state: String? = "up", flags: UInt32? = 0x1003) throws {
        guard let name = place.split(separator: "/").last else { return }
        try folder.makeFolder("/sys/devices/\(place)")
        if let state { try folder.write("\(state)\n", to: "/sys/devices/\(place)/operstate") }
        if let flags { try folder.write("0x\(String(flags, radix: 16))\n", to: "/sys/devices/\(place)/flags") }
        try folder.link("/sys/class/net/\(name)", to: "/sys/devices/\(place)")
    }

    /// An input device, below /sys/devices.
    package func input(_ place: String, name: String) throws {
        guard let device = place.split(separator: "/").last else { return }
        try folder.write("\(name)\n", to: "/sys/devices/\(place)/name")
        try folder.link("/sys/class/input/\(device)", to: "/sys/devices/\(place)")
        try folder.makeFolder("/sys/devices/\(place)/event3")
        try folder.link("/sys/class/input/event3", to: "/sys/devices/\(place)/event3")
    }

    /// What udev found on a block device.
    package func content(_ number: String, type: String, label: String? = nil) throws {
        let lines = ["E:ID_FS_TYPE=\(type)"] + (label.map { ["E:ID_FS_LABEL=\($0)"] } ?? [])
        try folder.write("I:1\n" + lines.map { "\($0)\n" }.joined(), to: "/run/udev/data/b\(number)")
    }

    /// A PCI function alone, as far as its name needs to lead somewhere.
    package func function(_ place: String) throws {
        guard let name = place.split(separator: "/").last else { return }
        try folder.makeFolder("/sys/devices/\(place)")
        try folder.link("/sys/bus/pci/devices/\(name)", to: "/sys/devices/\(place)")
    }
}
