package import Aperture
internal import Glibc
package import KernelFiles
internal import SystemPackage

/// Reads a snapshot below one root. It opens nothing for writing.
package struct SnapshotReader {
    /// The default deadline in milliseconds. It is far longer than a driver's probe, which holds the device's lock too.
    package static let standardDeadline: Int32 = 10_000

    private let tree: FileTree
    private let modules: FileTree
    private let reader: DeadlineReader
    private let tick: () -> Bool
    private let aliases: AliasCache

    /// - Parameters:
    ///   - lockDeadline: How long all reads that need a lock in the kernel may take together, in milliseconds. What has
    ///     not been read by then counts as unreadable. `nil` only for a tree in which no read can hang.
    ///   - modules: The tree that holds `/lib/modules`; `nil` for that of ``FileTree/withModules(of:)``.
    ///   - tick: Called several times a second while something hangs; returns false to stop waiting.
    package init(
        tree: FileTree, lockDeadline: Int32? = standardDeadline, modules: FileTree? = nil,
        tick: @escaping () -> Bool = { true }
    ) {
        self.init(tree: tree, lockDeadline: lockDeadline, modules: modules, aliases: AliasCache(), tick: tick)
    }

    /// - Parameter aliases: Of readers before this one.
    init(
        tree: FileTree, lockDeadline: Int32?, modules: FileTree? = nil, aliases: AliasCache,
        tick: @escaping () -> Bool
    ) {
        self.tree = tree
        self.modules = modules ?? tree.withModules()
        self.tick = tick
        self.aliases = aliases
        reader = DeadlineReader(tree: tree, deadline: lockDeadline, tick: tick)
    }

    /// Reads the machine. A device that cannot be read is part of the snapshot, and no error.
    /// - Parameter withHolders: Whether to search /proc for the processes that have the nodes of the scope's devices,
    ///   of framebuffers and of VFIO groups open.
    package func read(_ scope: SnapshotScope = .all, withHolders: Bool = false) throws(SnapshotError) -> Snapshot {
        var snapshot = Snapshot()
        do {
            snapshot.kernel = try tree.textIfPresent(KernelPath.osRelease).flatMap(KernelRelease.init)
            snapshot.vfioDrivers = try vfioDrivers(of: snapshot.kernel)
            let pci = PCIReader(tree: tree, scope: scope)
            let survey = try pci.survey()
            let platform = try platformFramebuffers()
            let nodes = try framebuffers()
            let consoles = try numbers(in: KernelPath.consoles, after: "vtcon")
            // Only a framebuffer of a platform device is a witness.
            let witnesses = nodes.filter { node in platform.contains { $0.name == node.device } }
            let answers = try reader.ask(
                survey.questions + platform.map { .driverOverride(Self.driverOverride(of: $0)) }
                    + witnesses.map { .framebuffer($0.path) } + consoles.map(Question.console))
            pci.read(survey, answers, into: &snapshot)
            (snapshot.platformFramebuffers, snapshot.framebuffers) = add(answers, to: platform, nodes)
            snapshot.consoles = try read(consoles, answers)
            snapshot.platform = try HostPlatformReader(tree: tree).read(snapshot.kernel)
            if scope.needsHostDependencies {
                let around = snapshot.functions.filter { scope.includes($0.address) }
                snapshot.hostDependencies = HostDependencyReader(tree: tree).dependencies(around: around)
            }
            snapshot.pciDrivers = Set(try tree.listIfPresent(KernelPath.pciDrivers))
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
        let reading = HolderReader(nodes, in: tree, sparing: tree.isMachine ? getpid() : nil, tick: tick).read()
        snapshot.holders = reading.holders
        snapshot.holdersUnknown = reading.unknown
    }

    /// Reads what the configuration can say of every GPU. No read of this waits for a lock or wakes a card, so it can
    /// come before the decision whether a card may be touched.
    package func cards() throws(SnapshotError) -> [CardFacts] {
        do {
            return try PCIReader(tree: tree, scope: .all).cards()
        } catch {
            throw .unreadable(error)
        }
    }

    /// A VFIO driver, and its module.
    package struct DriverChoice: Hashable, Sendable {
        /// The driver's name: `vfio-pci`.
        package let driver: String
        /// The module to load first; `nil` when the driver is registered already.
        package let module: String?
    }

    /// The VFIO driver for a function, from its ids alone. No read of this waits for a lock.
    /// - Parameter wish: The driver that the administrator chose; `nil` for the best match.
    package func vfioDriver(for address: PCIAddress, wish: String?) throws(SnapshotError) -> DriverChoice {
        let function = try PCIReader(tree: tree, scope: .all).identity(of: address)
        let drivers = try vfioDrivers()
        let driver = wish ?? drivers.best(for: function)
        let isThere = tree.exists("\(KernelPath.pciDrivers)/\(driver)")
        return DriverChoice(driver: driver, module: isThere ? nil : drivers.module(of: driver) ?? driver)
    }

    /// The VFIO drivers of the running kernel. No read of this waits for a lock.
    package func vfioDrivers() throws(SnapshotError) -> VFIODrivers {
        do {
            let kernel = try tree.textIfPresent(KernelPath.osRelease).flatMap(KernelRelease.init)
            return try vfioDrivers(of: kernel)
        } catch {
            throw .unreadable(error)
        }
    }

    private func vfioDrivers(of kernel: KernelRelease?) throws(FileTreeError) -> VFIODrivers {
        try VFIODriverReader(tree: tree, modules: modules, cache: aliases).read(kernel)
    }

    /// Reads /proc/iomem. A failure is part of the evidence, and no error.
    package func memoryMap() -> MemoryMap {
        do {
            let entries = try Iomem.parse(try tree.bytes(KernelPath.iomem))
            if entries.isEmpty { return .unreadable("it is empty") }
            return Iomem.isMasked(entries) ? .masked : .entries(IomemTree(entries))
        } catch let error as FileTreeError {
            return .unreadable(error.description)
        } catch {
            return .unreadable("\(error)")
        }
    }

    /// The platform framebuffers, without their overrides, whose reading can hang.
    private func platformFramebuffers() throws(FileTreeError) -> [PlatformFramebuffer] {
        // Removing the PCI parent removes the device's folder, and leaves a dangling link on the platform bus. Such a
        // device can no longer be reached, so skip it.
        let names = try tree.listIfPresent(KernelPath.platformDevices).filter { name in
            PlatformFramebuffer.isFramebuffer(name: name) && tree.exists(KernelPath.platformDevice(name))
        }
        var devices: [PlatformFramebuffer] = []
        for name in names {
            let path = KernelPath.platformDevice(name)
            devices.append(
                PlatformFramebuffer(
                    name: name, driver: try tree.linkName("\(path)/driver"), parent: try parent(of: path)))
        }
        return devices
    }

    private static func driverOverride(of device: PlatformFramebuffer) -> String {
        "\(KernelPath.platformDevice(device.name))/driver_override"
    }

    /// Adds the overrides and the framebuffers' memory. A node that fails at once is no witness. A node that does not
    /// answer in time makes its device unreadable, because it may have been the only witness.
    private func add(
        _ answers: Answers, to devices: [PlatformFramebuffer], _ nodes: [FramebufferNode]
    ) -> ([PlatformFramebuffer], [FramebufferNode]) {
        var (devices, nodes) = (devices, nodes)
        for index in devices.indices {
            do throws(FileTreeError) {
                devices[index].driverOverride = try answers.text(
                    .driverOverride(Self.driverOverride(of: devices[index])))
            } catch {
                devices[index].unreadable = error.description
            }
        }
        for index in nodes.indices {
            do throws(FileTreeError) {
                nodes[index].memory = try answers.memory(ofFramebuffer: nodes[index].path)
            } catch {
                guard error.errno == .timedOut else { continue }
                for place in devices.indices where devices[place].name == nodes[index].device {
                    devices[place].unreadable = devices[place].unreadable ?? error.description
                }
            }
        }
        return (devices, nodes)
    }

    /// The PCI device above a platform device: since 6.9 its syspath is `…/0000:00:01.0/efi-framebuffer.0`.
    private func parent(of path: String) throws(FileTreeError) -> PCIAddress? {
        guard let components = try tree.linkTarget(path)?.split(separator: "/"), components.count >= 2 else {
            return nil
        }
        return PCIAddress(components[components.count - 2])
    }

    /// The nodes of all framebuffers, without their memory, whose reading can hang.
    private func framebuffers() throws(FileTreeError) -> [FramebufferNode] {
        var nodes: [FramebufferNode] = []
        for number in try numbers(in: KernelPath.graphics, after: "fb") {
            nodes.append(FramebufferNode(number: number, device: try device(ofFramebuffer: number), memory: nil))
        }
        return nodes
    }

    /// The device of a framebuffer: the last component of its `device` link, or, if that is `..`, the component above
    /// `graphics` in its own syspath.
    private func device(ofFramebuffer number: Int) throws(FileTreeError) -> String? {
        let node = "\(KernelPath.graphics)/fb\(number)"
        let name = try tree.linkName("\(node)/device")
        guard name == ".." else { return name }
        let parts = try tree.linkTarget(node)?.split(separator: "/").map(String.init) ?? []
        guard let folder = parts.lastIndex(of: "graphics"), folder > 0 else { return nil }
        return parts[folder - 1]
    }

    private func read(_ numbers: [Int], _ answers: Answers) throws(FileTreeError) -> [VirtualConsole] {
        var consoles: [VirtualConsole] = []
        for number in numbers {
            // A console driver can be unregistered between the listing and the reading.
            guard let title = try tree.textIfPresent("\(KernelPath.consoles)/vtcon\(number)/name") else { continue }
            do throws(FileTreeError) {
                guard let bound = try answers.text(.console(number)) else { continue }
                consoles.append(VirtualConsole(number: number, name: title, isBound: bound == "1"))
            } catch {
                consoles.append(VirtualConsole(number: number, name: title, unreadable: error.description))
            }
        }
        return consoles
    }

    /// The numbers of a class's devices, whose names are a word and a number.
    private func numbers(in folder: String, after word: String) throws(FileTreeError) -> [Int] {
        try tree.listIfPresent(folder).filter { $0.hasPrefix(word) }.compactMap { Int($0.dropFirst(word.count)) }
    }

    private func screenInfo() throws(FileTreeError) -> ScreenInfo? {
        do {
            return ScreenInfo(bootParameters: try tree.bytes(KernelPath.bootParameters))
        } catch  where error.isAbsence {
            // Only x86 has this file.
            return nil
        }
    }

    private func vfioDriver(_ kernel: KernelRelease?) throws(FileTreeError) -> Snapshot.VFIODriver {
        if tree.exists("\(KernelPath.pciDrivers)/\(KernelPath.vfioDriver)") { return .registered }
        guard
            let kernel, let list = try modules.textIfPresent("/lib/modules/\(kernel.text)/modules.dep")
        else { return .missing }
        // A module's name has no hyphen and its file may have one: modprobe takes the two for the same.
        let files = ["/vfio-pci.ko", "/vfio_pci.ko"]
        return files.contains { list.containsText($0) } ? .loadable : .missing
    }
}

/// The purpose of a snapshot. Reads that can hang, or wake a device, are limited to the devices that the purpose needs.
package enum SnapshotScope: Hashable, Sendable {
    /// To list every GPU. Sleeping GPUs are left asleep.
    case all
    /// To claim one GPU.
    case claim(PCIAddress)
    /// To release one GPU, or to undo a claim of it.
    case release(PCIAddress)
    /// To guard or show one GPU. In D3cold it is left asleep.
    case watch(PCIAddress)
    /// The same for several GPUs, from one snapshot.
    case several(Purpose, Set<PCIAddress>)

    /// What is to be done with the cards of a scope.
    package enum Purpose: Hashable, Sendable {
        /// As ``SnapshotScope/claim(_:)``.
        case claim
        /// As ``SnapshotScope/release(_:)``.
        case release
        /// As ``SnapshotScope/watch(_:)``.
        case watch
    }

    /// What is to be done with the cards; `nil` for ``all``.
    package var purpose: Purpose? {
        switch self {
        case .all: nil
        case .claim: .claim
        case .release: .release
        case .watch: .watch
        case .several(let purpose, _): purpose
        }
    }

    /// The one GPU; `nil` for several, and for ``all``.
    package var card: PCIAddress? {
        switch self {
        case .all: nil
        case .claim(let card), .release(let card), .watch(let card): card
        case .several(_, let cards): cards.count == 1 ? cards.first : nil
        }
    }

    /// Whether the address is in the slot of a GPU that the purpose is about. The function's driver override is read then;
    /// it stays `nil` for other functions.
    func includes(_ address: PCIAddress) -> Bool {
        switch self {
        case .all: true
        case .claim(let card), .release(let card), .watch(let card): card.sharesSlot(with: address)
        case .several(_, let cards): cards.contains(address) || cards.contains { $0.sharesSlot(with: address) }
        }
    }

    /// Whether the plan depends on what the host uses below other functions of the slot and the group.
    var needsHostDependencies: Bool { purpose == nil || purpose == .claim }
}

/// Why a snapshot could not be read. Without one nothing can be planned.
package enum SnapshotError: Error, Sendable {
    /// A file could not be read.
    case unreadable(FileTreeError)
    /// A file's contents make no sense.
    case malformed(path: String, reason: String)
    /// A device that is to be written to exists, and could not be read.
    case device(String, reason: String)
}

extension SnapshotError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .malformed(let path, let reason): "\(path): \(reason)"
        case .device(let name, let reason): "\(name): \(reason)"
        }
    }
}
