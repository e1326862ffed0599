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
