package import Aperture
internal import CLinux
internal import Glibc
package import Sysfs
internal import SystemPackage

/// Reads a snapshot below one root. It opens nothing for writing.
package struct SnapshotReader: Sendable {
    private let tree: FileTree
    private let lockDeadline: Int32

    /// - Parameter lockDeadline: How long the kernel may hold a device's lock, in milliseconds, before the device counts
    ///   as unreadable.
    package init(tree: FileTree, lockDeadline: Int32? = nil) {
        self.tree = tree
        self.lockDeadline = lockDeadline ?? OverrideReader.patience
    }

    /// - Parameter withHolders: Whether to look through `/proc/*/fd` for who has framebuffers and VFIO groups open.
    package func read(withHolders: Bool = false) throws(SnapshotError) -> Snapshot {
        var snapshot = Snapshot()
        do {
            try PCIReader(tree: tree, lockDeadline: lockDeadline).read(into: &snapshot)
            snapshot.pciDrivers = Set(try tree.listIfPresent(KernelPath.pciDrivers))
            snapshot.platformFramebuffers = try platformFramebuffers()
            snapshot.framebuffers = try framebuffers()
            snapshot.consoles = try consoles()
            snapshot.screenInfo = try screenInfo()
            snapshot.kernel = try tree.textIfPresent(KernelPath.osRelease).flatMap(KernelRelease.init)
            snapshot.vfioDriver = try vfioDriver(snapshot.kernel)
        } catch {
            throw .unreadable(error)
        }
        snapshot.memoryMap = memoryMap()
        if withHolders { snapshot.holders = HolderReader(tree: tree).holders() }
        return snapshot
    }

    /// /proc/iomem, and what it shows; failures are part of the evidence, not errors.
    package func memoryMap() -> MemoryMap {
        do {
            let claims = try Iomem.parse(try tree.bytes(KernelPath.iomem))
            if claims.isEmpty { return .unreadable("it is empty") }
            return Iomem.isMasked(claims) ? .masked : .claims(ClaimTree(claims))
        } catch let error as FileTreeError {
            return .unreadable(error.description)
        } catch {
            return .unreadable("\(error)")
        }
    }

    private func platformFramebuffers() throws(FileTreeError) -> [PlatformFramebuffer] {
        // Removing its PCI parent takes the device's folder away and leaves the bus's link to it, dangling: nothing can
        // reach that device any more.
        let names = try tree.listIfPresent(KernelPath.platformDevices).filter { name in
            PlatformFramebuffer.isFramebuffer(name: name) && tree.exists(KernelPath.platformDevice(name))
        }
        let overrides = try OverrideReader(tree: tree, deadline: lockDeadline).read(
            names.map { "\(KernelPath.platformDevice($0))/driver_override" })
        var devices: [PlatformFramebuffer] = []
        for (name, override) in zip(names, overrides) {
            let path = KernelPath.platformDevice(name)
            var device = PlatformFramebuffer(
                name: name, driver: try tree.linkName("\(path)/driver"), parent: try parent(of: path))
            switch override {
            case .success(let value): device.driverOverride = value
            case .failure(let error): device.unreadable = error.description
            }
            devices.append(device)
        }
        return devices
    }

    /// The directory above the device's own: `…/0000:00:01.0/efi-framebuffer.0` since 6.9.
    private func parent(of path: String) throws(FileTreeError) -> PCIAddress? {
        guard let components = try tree.linkTarget(path)?.split(separator: "/"), components.count >= 2 else {
            return nil
        }
        return PCIAddress(components[components.count - 2])
    }

    private func framebuffers() throws(FileTreeError) -> [FramebufferNode] {
        var nodes: [FramebufferNode] = []
        for name in try tree.listIfPresent(KernelPath.graphics) {
            guard name.hasPrefix("fb"), let number = Int(name.dropFirst(2)) else { continue }
            nodes.append(
                FramebufferNode(
                    number: number, device: try tree.linkName("\(KernelPath.graphics)/\(name)/device"),
                    memory: memory(of: "/dev/\(name)")))
        }
        return nodes
    }

    /// `FBIOGET_FSCREENINFO`. A node that cannot be opened or asked is a witness that says nothing.
    private func memory(of node: String) -> AddressRange? {
        guard let file = try? tree.open(node, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return nil }
        defer { try? file.close() }
        var start: UInt64 = 0
        var length: UInt64 = 0
        guard unsafe clinux_framebuffer_memory(file.rawValue, &start, &length) == 0, start != 0 else { return nil }
        return AddressRange(start: start, size: length)
    }

    private func consoles() throws(FileTreeError) -> [VirtualConsole] {
        var consoles: [VirtualConsole] = []
        for name in try tree.listIfPresent(KernelPath.consoles) {
            guard name.hasPrefix("vtcon"), let number = Int(name.dropFirst(5)) else { continue }
            let path = "\(KernelPath.consoles)/\(name)"
            // A console driver can be unregistered between the listing and the reading.
            guard
                let title = try tree.textIfPresent("\(path)/name"), let bound = try tree.textIfPresent("\(path)/bind")
            else { continue }
            consoles.append(VirtualConsole(number: number, name: title, isBound: bound == "1"))
        }
        return consoles
    }

    private func screenInfo() throws(FileTreeError) -> ScreenInfo? {
        do {
            return ScreenInfo(bootParameters: try tree.bytes(KernelPath.bootParameters))
        } catch  where error.isAbsence {
            // x86 alone has it.
            return nil
        }
    }

    private func vfioDriver(_ kernel: KernelRelease?) throws(FileTreeError) -> Snapshot.VFIODriver {
        if tree.exists("\(KernelPath.pciDrivers)/\(KernelPath.vfioDriver)") { return .registered }
        guard
            let kernel, let modules = try tree.textIfPresent("/lib/modules/\(kernel.text)/modules.dep")
        else { return .missing }
        return modules.contains("/vfio-pci.ko") ? .loadable : .missing
    }
}
