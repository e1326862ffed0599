internal import KernelFiles

/// A device in one of sysfs's classes: `/sys/class/block/sda2` is a link to
/// `../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2`.
struct ClassDevice {
    let name: String
    /// The components of the link's target. They contain every device above this one.
    let path: [Substring]

    /// The devices of a class, by name; empty where the kernel does not have the class.
    static func list(_ folder: String, in tree: FileTree) throws(FileTreeError) -> [ClassDevice] {
        var devices: [ClassDevice] = []
        for name in try tree.listIfPresent(folder) {
            // Skip a device that went between the listing and the reading.
            guard let target = try tree.linkTarget("\(folder)/\(name)") else { continue }
            devices.append(ClassDevice(name: name, path: target.split(separator: "/")))
        }
        return devices
    }

    /// Whether the device is below the PCI function at any depth, such as behind a USB hub or in a VMD's own domain.
    /// - Parameter function: The function's address in the kernel's spelling.
    func isBelow(_ function: String) -> Bool {
        path.dropLast().contains { $0 == function }
    }

    /// The component above this device: for a partition, its disk.
    var parent: Substring? { path.dropLast().last }
}
