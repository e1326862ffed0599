internal import KernelFiles

/// A device as one of sysfs's classes lists it: `/sys/class/block/sda2` is a link to
/// `../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2`.
struct ClassDevice {
    let name: String
    /// The link's target, in its parts: every device above this one is among them.
    let path: [Substring]

    /// The devices of a class, by name; empty where the kernel does not have the class.
    static func list(_ folder: String, in tree: FileTree) throws(FileTreeError) -> [ClassDevice] {
        var devices: [ClassDevice] = []
        for name in try tree.listIfPresent(folder) {
            // One that goes between the listing and the reading hangs below nothing any more.
            guard let target = try tree.linkTarget("\(folder)/\(name)") else { continue }
            devices.append(ClassDevice(name: name, path: target.split(separator: "/")))
        }
        return devices
    }

    /// Whether the device hangs below the PCI function, at any depth: behind a USB hub, in a VMD's own domain.
    /// - Parameter function: The function's address, in the kernel's spelling.
    func isBelow(_ function: String) -> Bool {
        path.dropLast().contains { $0 == function }
    }

    /// The device that this one is a partition of, where it is one.
    var parent: Substring? { path.dropLast().last }
}
