internal import Aperture
internal import CLinux
internal import KernelFiles
internal import SystemPackage

/// The device nodes that somebody may have open, each by the name that the host has for it, and what they are known by.
///
/// A name proves nothing: in a mount namespace of their own anyone makes a plain file `/dev/dri/card0`, and a container
/// sees the node under another name. On the machine a node is known by its device number, which the kernel tells
/// (`dev` in sysfs); below another root, where nodes may be plain files, by whatever file is there.
struct DeviceNodes {
    private let tree: FileTree
    private let names: Set<String>
    /// By their places in ``numbers``.
    private(set) var nodes: [String] = []
    /// As `CLINUX_DEVICE` has them; empty below another root.
    private(set) var numbers: [UInt64] = []
    private var identities: [FileIdentity: String] = [:]
    /// The nodes that are there and whose numbers could not be read.
    private(set) var unknown: [String] = []

    /// The kernel's own numbers (`include/uapi/linux/major.h`; `nv-chardev-numbers.h` of nvidia's modules).
    private static let framebufferMajor: UInt64 = 29
    private static let nvidiaMajor: UInt64 = 195
    /// FB_MAX of the kernel.
    private static let framebuffers = 0..<32

    /// - Parameter names: The nodes' names. Framebuffers need none: the last close of one can come long after its node has
    ///   gone, and their numbers are fixed.
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

    /// The node that a path of another root leads to. A captured tree has the links of processes, and no nodes: a path
    /// that leads nowhere counts by its text.
    func node(at path: String) -> String? {
        if let identity = tree.fileIdentity(path) { return identities[identity] }
        // A node that is gone while someone has it open is still named, with this behind it (`d_path()`).
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

    /// nvidia_uvm's, which the kernel chooses when it is loaded.
    private func memoryMajor() throws(FileTreeError) -> UInt64? {
        let lines = try tree.textIfPresent("/proc/devices")?.split(separator: "\n") ?? []
        return lines.lazy.map { $0.split(separator: " ") }.first { $0.last == "nvidia-uvm" }?.first.flatMap {
            UInt64($0)
        }
    }

    /// From sysfs, which lists every device of a class under the last part of its node's name.
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

    /// The node's own, as the host has it. One that is not there has nobody who could have opened it by that name.
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
