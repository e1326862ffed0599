package import Aperture
internal import Glibc
package import Sysfs
internal import SystemPackage

/// Reads a snapshot below one root. It opens nothing for writing.
package struct SnapshotReader: Sendable {
    private let tree: FileTree
    private let lockDeadline: Int32
    private var reader: GuardedReader { GuardedReader(tree: tree, deadline: lockDeadline) }

    /// - Parameter lockDeadline: How long the kernel may hold a lock that it is asked under, in milliseconds, before what
    ///   is asked for counts as unreadable.
    package init(tree: FileTree, lockDeadline: Int32? = nil) {
        self.tree = tree
        self.lockDeadline = lockDeadline ?? GuardedReader.patience
    }

    /// - Parameter withHolders: Whether to look through `/proc/*/fd` for who has framebuffers and VFIO groups open.
    package func read(withHolders: Bool = false) throws(SnapshotError) -> Snapshot {
        var snapshot = Snapshot()
        do {
            snapshot.kernel = try tree.textIfPresent(KernelPath.osRelease).flatMap(KernelRelease.init)
            snapshot.vfioDrivers = try VFIODriverReader(tree: tree).read(snapshot.kernel)
            try PCIReader(tree: tree, lockDeadline: lockDeadline).read(into: &snapshot)
            snapshot.platform = try HostPlatformReader(tree: tree).read(snapshot.kernel)
            snapshot.hostDependencies = HostDependencyReader(tree: tree).dependencies(aroundDisplaysOf: snapshot)
            snapshot.pciDrivers = Set(try tree.listIfPresent(KernelPath.pciDrivers))
            snapshot.platformFramebuffers = try platformFramebuffers()
            snapshot.framebuffers = try framebuffers(of: &snapshot.platformFramebuffers)
            snapshot.consoles = try consoles()
            snapshot.screenInfo = try screenInfo()
            snapshot.vfioDriver = try vfioDriver(snapshot.kernel)
            snapshot.nvidia = try NvidiaReader(tree: tree).read()
        } catch {
            throw .unreadable(error)
        }
        snapshot.memoryMap = memoryMap()
        if withHolders { readHolders(into: &snapshot) }
        return snapshot
    }

    private func readHolders(into snapshot: inout Snapshot) {
        var nodes = Set(snapshot.functions.flatMap(\.nodes) + snapshot.framebuffers.map(\.path))
        for case let group? in snapshot.functions.map(\.iommuGroup) { nodes.insert("/dev/vfio/\(group.number)") }
        if snapshot.nvidia.isLoaded { nodes.formUnion(NvidiaModules.nodes) }
        let reading = HolderReader(nodes, in: tree, sparing: tree.isMachine ? getpid() : nil).read()
        snapshot.holders = reading.holders
        snapshot.holdersUnknown = reading.unknown
    }

    /// A VFIO driver, and the module to load for it; `nil` for one that is there.
    package struct DriverChoice: Hashable, Sendable {
        package let driver: String
        package let module: String?
    }

    /// The VFIO driver for a function, from its ids alone: nothing is asked that waits for a lock.
    /// - Parameter wish: The driver that the person chose.
    package func vfioDriver(for address: PCIAddress, wish: String?) throws(SnapshotError) -> DriverChoice {
        let function = try PCIReader(tree: tree, lockDeadline: lockDeadline).identity(of: address)
        do {
            let kernel = try tree.textIfPresent(KernelPath.osRelease).flatMap(KernelRelease.init)
            let drivers = try VFIODriverReader(tree: tree).read(kernel)
            let driver = wish ?? drivers.best(for: function)
            let isThere = tree.exists("\(KernelPath.pciDrivers)/\(driver)")
            return DriverChoice(driver: driver, module: isThere ? nil : drivers.module(of: driver) ?? driver)
        } catch {
            throw .unreadable(error)
        }
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
        let overrides = try reader.texts(
            names.map { "\(KernelPath.platformDevice($0))/driver_override" }, under: .device)
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

    /// The nodes of all framebuffers. One that cannot be opened or asked is a witness that says nothing; but of a platform
    /// device's that does not answer in time, the device counts as unreadable: something is going on with it, and it could
    /// have been the only witness.
    private func framebuffers(of devices: inout [PlatformFramebuffer]) throws(FileTreeError) -> [FramebufferNode] {
        let numbers = try numbers(in: KernelPath.graphics, after: "fb")
        let answers = try reader.memory(of: numbers.map { "/dev/fb\($0)" })
        var nodes: [FramebufferNode] = []
        for (number, answer) in zip(numbers, answers) {
            var node = FramebufferNode(
                number: number, device: try device(ofFramebuffer: number), memory: nil)
            switch answer {
            case .success(let memory): node.memory = memory
            case .failure(let error) where error.errno == .timedOut:
                for index in devices.indices where devices[index].name == node.device {
                    devices[index].unreadable = devices[index].unreadable ?? error.description
                }
            case .failure: break
            }
            nodes.append(node)
        }
        return nodes
    }

    /// The last name of its `device` link; of one that only leads upwards, the name of the folder above `graphics`.
    private func device(ofFramebuffer number: Int) throws(FileTreeError) -> String? {
        let node = "\(KernelPath.graphics)/fb\(number)"
        let name = try tree.linkName("\(node)/device")
        guard name == ".." else { return name }
        let parts = try tree.linkTarget(node)?.split(separator: "/").map(String.init) ?? []
        guard let folder = parts.lastIndex(of: "graphics"), folder > 0 else { return nil }
        return parts[folder - 1]
    }

    private func consoles() throws(FileTreeError) -> [VirtualConsole] {
        let numbers = try numbers(in: KernelPath.consoles, after: "vtcon")
        let binds = try reader.texts(numbers.map(KernelPath.consoleBind), under: .console)
        var consoles: [VirtualConsole] = []
        for (number, bind) in zip(numbers, binds) {
            // A console driver can be unregistered between the listing and the reading.
            guard let title = try tree.textIfPresent("\(KernelPath.consoles)/vtcon\(number)/name") else { continue }
            switch bind {
            case .success(nil): continue
            case .success(let bound):
                consoles.append(VirtualConsole(number: number, name: title, isBound: bound == "1"))
            case .failure(let error):
                consoles.append(VirtualConsole(number: number, name: title, unreadable: error.description))
            }
        }
        return consoles
    }

    /// The numbers of a class's devices, which are called by one word and a number.
    private func numbers(in folder: String, after word: String) throws(FileTreeError) -> [Int] {
        try tree.listIfPresent(folder).filter { $0.hasPrefix(word) }.compactMap { Int($0.dropFirst(word.count)) }
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
