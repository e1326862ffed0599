internal import Aperture
internal import CLinux
internal import KernelFiles
internal import SystemPackage

/// The device nodes that a process may have open, and how to recognise them.
///
/// A name proves nothing: in a mount namespace anyone can make a plain file `/dev/dri/card0`, and a container can have
/// the node under another name. On the machine a node is recognised by its device number, which sysfs shows (`dev`).
/// Below another root, where nodes may be plain files, it is recognised by its file's identity.
struct DeviceNodes {
    private let tree: FileTree
    private let names: Set<String>
    /// The host's names of the nodes, in the order of ``numbers``.
    private(set) var nodes: [String] = []
    /// Device numbers in the form of `CLINUX_DEVICE`; empty below another root.
    private(set) var numbers: [UInt64] = []
    private var identities: [FileIdentity: String] = [:]
    /// The nodes whose device numbers could not be read.
    private(set) var unknown: [String] = []

    /// Fixed major numbers (`include/uapi/linux/major.h`; `nv-chardev-numbers.h` of nvidia's modules).
    private static let framebufferMajor: UInt64 = 29
    private static let nvidiaMajor: UInt64 = 195
    /// The numbers of all framebuffers, below the kernel's FB_MAX.
    private static let framebuffers = 0..<32

    /// - Parameter names: The nodes' names. All framebuffers are added: their device numbers are fixed, and a process
    ///   may have one open long after its node has gone.
    init(_ names: Set<String>, in tree: FileTree) {
        self.tree = tree
        self.names = names.union(Self.framebuffers.map { "/dev/fb\($0)" })
        for name in self.names.sorted() {
            if tree.isMachine {
                addNumber(of: name)
            } else if let identity = tree.fileIdentity(name) {
                identities[identity] = name
            }
        }
    }

    /// The node at a path below another root. A captured tree has the links of processes but no nodes, so a path that
    /// leads nowhere is compared by its text.
    func node(at path: String) -> String? {
        if let identity = tree.fileIdentity(path) { return identities[identity] }
        // The kernel appends this to the name of an open node that is gone (`d_path()`).
        let plain = path.hasSuffix(" (deleted)") ? String(path.dropLast(10)) : path
        return names.contains(plain) ? plain : nil
    }

    // MARK: - Numbers

    private mutating func addNumber(of name: String) {
        do {
            guard let number = try fixedNumber(of: name) ?? listedNumber(of: name) ?? ownNumber(of: name) else {
                return
            }
            nodes.append(name)
            numbers.append(number)
        } catch {
            unknown.append(name)
        }
    }

    private func fixedNumber(of name: String) throws(FileTreeError) -> UInt64? {
        if let number = Self.number(in: name, after: "/dev/fb") { return Self.framebufferMajor << 32 | number }
        if let number = Self.number(in: name, after: "/dev/nvidia") { return Self.nvidiaMajor << 32 | number }
        switch name {
        case NvidiaModules.controlNode: return Self.nvidiaMajor << 32 | 255
        case NvidiaModules.modesetNode: return Self.nvidiaMajor << 32 | 254
        case NvidiaModules.memoryNode: return try memoryMajor().map { $0 << 32 }
        default: return nil
        }
    }

    /// The major number of nvidia_uvm, which the kernel chooses when the module is loaded.
    private func memoryMajor() throws(FileTreeError) -> UInt64? {
        let lines = try tree.textIfPresent("/proc/devices")?.split(separator: "\n") ?? []
        return lines.lazy.map { $0.split(separator: " ") }.first { $0.last == "nvidia-uvm" }?.first.flatMap {
            UInt64($0)
        }
    }

    /// The number in sysfs, where a class lists each device under the last part of its node's name.
    private func listedNumber(of name: String) throws(FileTreeError) -> UInt64? {
        let classes = [
            "/dev/dri/": "drm", "/dev/accel/": "accel", "/dev/snd/": "sound", "/dev/vfio/devices/": "vfio-dev",
            "/dev/vfio/": "vfio",
        ]
        guard let folder = classes.keys.filter(name.hasPrefix).max(by: { $0.count < $1.count }) else { return nil }
        let path = "/sys/class/\(classes[folder] ?? "")/\(name.dropFirst(folder.count))/dev"
        guard let text = try tree.textIfPresent(path) else { return nil }
        let parts = text.split(separator: ":").compactMap { UInt64($0) }
        guard parts.count == 2 else { throw FileTreeError(.read, path, .invalidArgument) }
        return parts[0] << 32 | parts[1]
    }

    /// The number of the host's own node; `nil` when there is none, and so nobody can have opened it by that name.
    private func ownNumber(of name: String) throws(FileTreeError) -> UInt64? {
        switch tree.fileIdentity(name) {
        case .device(let number): number
        case .file, nil: nil
        }
    }

    private static func number(in name: String, after prefix: String) -> UInt64? {
        name.hasPrefix(prefix) ? UInt64(name.dropFirst(prefix.count)) : nil
    }
}

/// Finds the device nodes of one PCI function, from what its driver registered below it in sysfs.
struct NodeReader {
    let tree: FileTree

    func nodes(of function: PCIFunction) throws(FileTreeError) -> [String] {
        guard let driver = function.driver else { return [] }
        let path = KernelPath.device(function.address)
        if function.isOnVFIO {
            let group = function.iommuGroup.map { ["/dev/vfio/\($0.number)"] } ?? []
            return group + (try tree.listIfPresent("\(path)/vfio-dev")).map { "/dev/vfio/devices/\($0)" }
        }
        var nodes = try tree.listIfPresent("\(path)/drm").filter { $0.hasPrefix("card") || $0.hasPrefix("renderD") }
            .map { "/dev/dri/\($0)" }
        nodes += try tree.listIfPresent("\(path)/accel").filter { $0.hasPrefix("accel") }.map { "/dev/accel/\($0)" }
        nodes += try tree.listIfPresent("\(path)/graphics").map { "/dev/\($0)" }
        for card in try tree.listIfPresent("\(path)/sound") where card.hasPrefix("card") {
            let parts = try tree.listIfPresent("\(path)/sound/\(card)")
            nodes += parts.filter { $0.hasPrefix("pcmC") || $0.hasPrefix("controlC") || $0.hasPrefix("hwC") }
                .map { "/dev/snd/\($0)" }
        }
        if driver == "nvidia" { nodes += try nvidiaNodes(function.address) }
        return nodes
    }

    /// nvidia makes its nodes outside the device model, and shows a card's minor in its own procfs file. Without that
    /// file the nodes of all cards count, which refuses too much rather than too little.
    private func nvidiaNodes(_ address: PCIAddress) throws(FileTreeError) -> [String] {
        let text = try tree.textIfPresent("/proc/driver/nvidia/gpus/\(address)/information") ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Device Minor:") }
        if let minor = line?.split(whereSeparator: \.isWhitespace).last.flatMap({ Int($0) }) {
            return ["/dev/nvidia\(minor)"]
        }
        return try tree.listIfPresent("/dev").filter { name in
            name.hasPrefix("nvidia") && name.dropFirst(6).allSatisfy(\.isNumber)
        }.map { "/dev/\($0)" }
    }
}

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
