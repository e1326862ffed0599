package import Aperture
package import Record
package import Reclaim
package import KernelFiles
package import SystemPackage
package import VFIO

/// A host made of files that reacts to writes as the kernel does, and fails where it is told to.
///
/// Reads go through the product's own reader; only what the kernel would do after a write is played here.
package final class FixtureHost: Host {
    /// What is to go wrong.
    package enum Fault: Sendable {
        /// The write fails with this error and changes nothing.
        case fails(Errno)
        /// The write succeeds and changes nothing.
        case isIgnored
        /// The file is not there yet, neither for the write nor for the next looks.
        case isLate
        /// The GPU goes away under the write.
        case vanishes
    }

    /// The process was killed: nothing it does has an effect any more.
    package struct Killed: Error {}

    /// When the process is killed: before or after the effect with this number, writes and saved records alike.
    package struct Kill: Sendable {
        package var effect: Int
        package var isAfter: Bool

        package init(_ effect: Int, isAfter: Bool) {
            self.effect = effect
            self.isAfter = isAfter
        }

        /// Before and after each of the effects.
        package static func all(in effects: Range<Int>) -> [Kill] {
            effects.flatMap { [Kill($0, isAfter: false), Kill($0, isAfter: true)] }
        }
    }

    package private(set) var machine: Machine
    package let folder: TemporaryFolder
    /// Every write, in order: path and value.
    package private(set) var writes: [(path: String, value: String)] = []
    /// Which effect each write was.
    package private(set) var effectsOfWrites: [Int] = []
    package private(set) var loadedModules: [String] = []
    /// How often the machine was read.
    package private(set) var readings = 0
    package private(set) var pauses = 0
    /// How long all of the pauses were, in milliseconds.
    package private(set) var paused = 0
    /// Is told of every pause, by the number of those before it.
    package var beforePause: ((Int) -> Void)?
    /// Is told of every write before it is made, by path and value; of a module that is loaded or unloaded, too, by the path
    /// of its step.
    package var beforeWrite: ((_ path: String, _ value: String) -> Void)?

    /// Faults by the number of the write, from 0.
    package var faults: [Int: Fault] = [:]
    /// Faults of saving and removing records, by their number, from 0.
    package var recordFaults: [Int: Errno] = [:]
    private var recordEffects = 0

    /// The next record that is saved fails so.
    package func failRecords(_ errno: Errno) { recordFaults = [recordEffects: errno] }

    /// What loading a module fails with.
    package var moduleError: ModuleError?
    /// Every effect so far: writes, records saved and removed, modules loaded.
    package private(set) var effects = 0
    package var kill: Kill?
    package private(set) var isDead = false
    /// After how many effects somebody asks the process to stop; `nil` for never.
    package var interruptedAfterEffects: Int?
    /// The number of a write that never comes back.
    package var stuckWrite: Int?
    /// Whether the process of that write can be found.
    package var isStuckProcessSeen = true
    /// How many functions have been removed so far.
    private var removals: UInt64 = 0
    /// The processes that live, with their start times; a stuck write is the work of one.
    package var processes: [Int32: UInt64] = [:]
    /// How many pauses a held framebuffer outlives its unbind by; `nil` when nobody holds one.
    package var heldForPauses: Int?
    /// A native driver that takes the GPU on a rescan before the override is set.
    package var nativeWinsRescan: String?
    /// The native driver that the kernel finds for a GPU without an override.
    package var matchingDriver: String?
    /// Where the GPU's BARs lie after a rescan; in place without it.
    package var barsAfterRescan: [BAR]?
    /// The override that somebody else gives the GPU when it comes back from a rescan.
    package var overrideAfterRescan: String?
    /// The drivers that modules register, where they are called otherwise.
    package var driversOfModules: [String: String] = [:]
    /// What VFIO answers instead of mapping.
    package var vfioError: VFIOError?
    /// BARs that VFIO does not give, by number, though the card has them.
    package var barsThatVFIOLacks: Set<Int> = []
    /// BARs of the GPU of which VFIO cannot say whether the card has them.
    package var barsOfDoubt: Set<Int> = []
    /// What was to be proven, last.
    package private(set) var targets: [ProofTarget] = []

    private struct Late {
        var path: String
        var looks: Int
    }

    private var late: Late?
    private let files: MachineFiles
    private let real: MachineHost
    private var removed: [Function] = []
    private var unloadedModules: [String: (module: KernelModule, bound: [String])] = [:]
    private var heldLines: [IomemEntry] = []
    private var nativeLines: [IomemEntry] = []

    package init(@MachineBuilder _ parts: () -> [any Part]) throws {
        machine = Machine(parts)
        folder = try TemporaryFolder()
        files = MachineFiles(folder: folder)
        try files.write(machine)
        real = MachineHost(tree: FileTree(root: FilePath(folder.path)))
    }

    /// Why the next runs do not get the lock, one each.
    package var lockErrors: [RecordError] = []

    /// Nobody else is at work, unless it was said.
    package func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome {
        if !lockErrors.isEmpty { throw .record(lockErrors.removeFirst()) }
        return try work()
    }

    // MARK: - Reading

    package func snapshot(
        _ scope: SnapshotScope = .all, withHolders: Bool
    ) throws(SnapshotError) -> Snapshot {
        look()
        readings += 1
        return try real.snapshot(scope, withHolders: withHolders)
    }

    package func attribute(_ path: String) throws(FileTreeError) -> String? {
        look()
        return try real.attribute(path)
    }

    package func driver(ofDevice path: String) throws(FileTreeError) -> String? {
        look()
        return try real.driver(ofDevice: path)
    }

    package func exists(_ path: String) -> Bool {
        look()
        return real.exists(path)
    }

    /// A file system gives an inode number again; the kernel's does not.
    package func identity(ofDevice path: String) -> UInt64? {
        real.identity(ofDevice: path).map { $0 &+ removals << 48 }
    }

    // MARK: - Writing

    package func write(_ value: String, to path: String) throws(FileTreeError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw FileTreeError(.write, path, .ioError, value: value) }
        beforeWrite?(path, value)
        let number = writes.count
        writes.append((path, value))
        effectsOfWrites.append(effects)
        if number == stuckWrite {
            var error = FileTreeError(.write, path, .timedOut, value: value)
            error.stuckProcess = 4711
            if isStuckProcessSeen { processes[4711] = 1 }
            throw error
        }
        switch faults[number] {
        case .fails(let errno): throw FileTreeError(.write, path, errno, value: value)
        case .isIgnored: return
        case .isLate:
            late = Late(path: path, looks: 2)
            hide(path, true)
            throw FileTreeError(.open, path, .noSuchFileOrDirectory, value: value)
        case .vanishes:
            if let gpu = machine.functions.first { try play("1", "\(KernelPath.pciDevices)/\(gpu.address)/remove") }
            removed = []
            throw FileTreeError(.write, path, .noSuchDevice, value: value)
        case nil: break
        }
        try play(value, path)
    }

    /// A look at the machine: what is late is so much nearer.
    private func look() {
        guard let waiting = late else { return }
        if waiting.looks == 0 { appear() } else { late?.looks -= 1 }
    }

    /// What is late comes now.
    package func appear() {
        guard let waiting = late else { return }
        hide(waiting.path, false)
        late = nil
    }

    private func hide(_ path: String, _ isHidden: Bool) {
        do {
            try folder.move(isHidden ? path : "\(path).late", to: isHidden ? "\(path).late" : path)
        } catch {
            // Its device went meanwhile, and the file with it.
        }
    }

    /// - Returns: Whether the process is dead, before this effect.
    private func begin() -> Bool {
        if let kill, kill.effect == effects, !kill.isAfter { isDead = true }
        return isDead
    }

    private func finish() {
        if let kill, kill.effect == effects, kill.isAfter { isDead = true }
        effects += 1
    }

    /// A framebuffer comes up while the machine runs.
    package func appear(_ framebuffer: FirmwareFramebuffer) throws {
        framebuffer.place(in: &machine)
        try files.write(framebuffer, among: machine.functions)
        try files.writeMemoryMap(machine)
    }

    /// Somebody else gives the function to a driver, or takes it from the one that it has.
    package func rebind(_ address: String, to driver: String?) throws {
        let index = try functionIndex(address)
        let link = "\(MachineFiles.home(of: machine.functions[index]))/driver"
        if folder.exists(link) { try folder.remove(link) }
        machine.functions[index].driver = driver
        guard let driver else { return }
        try files.writeDriver(driver)
        try folder.link(link, to: "\(KernelPath.pciDrivers)/\(driver)")
    }

    /// A process ends, and closes what it held.
    package func end(_ process: Int32) throws {
        machine.holders.removeAll { $0.pid == process }
        try folder.remove("/proc/\(process)")
    }

    /// A new process starts.
    package func revive() {
        kill = nil
        isDead = false
        effects = 0
    }

    package func load(module: String) throws(ModuleError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw ModuleError(module: module, reason: "killed") }
        beforeWrite?(KernelPath.modprobe, module)
        if let moduleError { throw moduleError }
        loadedModules.append(module)
        do {
            if let unloaded = unloadedModules[module] { return try bringBack(unloaded) }
            let driver = NativeDriver.bouncing(named: module)?.driver ?? driversOfModules[module] ?? module
            try files.writeDriver(driver)
            if driversOfModules[module] != nil {
                try folder.makeFolder("\(KernelPath.modules)/\(module)/drivers/pci:\(driver)")
            }
        } catch {
            throw ModuleError(module: module, reason: "\(error)")
        }
    }

    package func unload(module: String) throws(ModuleError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw ModuleError(module: module, reason: "killed", isUnloading: true) }
        beforeWrite?(KernelPath.module(module), "")
        if let moduleError { throw moduleError }
        do {
            try takeAway(module)
        } catch {
            throw ModuleError(module: module, reason: "\(error)", isUnloading: true)
        }
    }

    /// As modprobe, which finds nothing wrong with one that is not loaded. A driver's module takes the driver along, and so
    /// it comes off its functions.
    private func takeAway(_ name: String) throws {
        guard let module = machine.modules.first(where: { $0.name == name }) else { return }
        guard module.users == 0, !machine.modules.contains(where: module.isNeeded) else { throw Errno.resourceBusy }
        machine.modules.removeAll { $0.name == name }
        try folder.remove(KernelPath.module(name))
        try files.writeModules(machine.modules)
        let bound = machine.functions.filter { $0.driver == name }.map(\.address)
        for address in bound { try unbindFunction(address, from: name) }
        if folder.exists("\(KernelPath.pciDrivers)/\(name)") { try folder.remove("\(KernelPath.pciDrivers)/\(name)") }
        unloadedModules[name] = (module, bound)
        try files.writeMemoryMap(machine)
    }

    /// Its driver takes the functions again that are free.
    private func bringBack(_ unloaded: (module: KernelModule, bound: [String])) throws {
        let (module, bound) = unloaded
        guard !machine.modules.contains(where: { $0.name == module.name }) else { return }
        machine.modules.append(module)
        try files.writeModules(machine.modules)
        guard module.name == "nvidia" else { return }
        try files.writeDriver(module.name)
        for address in bound where machine.functions.contains(where: { $0.address == address && $0.driver == nil }) {
            guard try attribute("\(KernelPath.pciDevices)/\(address)/driver_override") == nil else { continue }
            try bind(address, to: module.name)
        }
        try files.writeMemoryMap(machine)
    }

    package func rescan(
        _ path: String, for address: PCIAddress, override: String
    ) throws(FileTreeError) {
        try write("1", to: path)
        guard exists(KernelPath.device(address)) else { return }
        do {
            try folder.write("\(overrideAfterRescan ?? override)\n", to: KernelPath.driverOverride(address))
        } catch {
            throw FileTreeError(.write, KernelPath.driverOverride(address), .ioError, value: override)
        }
    }

    package func interruption() -> String? {
        interruptedAfterEffects.flatMap { effects >= $0 ? "SIGTERM" : nil }
    }

    package func pause(milliseconds: Int32) {
        beforePause?(pauses)
        pauses += 1
        paused += Int(milliseconds)
        if let limit = heldForPauses, pauses >= limit { remove(heldLines) }
    }

    // MARK: - Records

    private var records: RecordStore { RecordStore(tree: FileTree(root: FilePath(folder.path))) }

    package func startTime(ofProcess process: Int32) -> UInt64? { processes[process] }

    package func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? { try records.load(gpu) }

    package func recorded() throws(RecordError) -> [PCIAddress] { try records.recorded() }

    package func save(_ record: ClaimRecord) throws(RecordError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw .file(operation: "write", path: RecordStore.folder, errno: .ioError) }
        try failRecord("write")
        try records.save(record)
    }

    package func removeRecord(of gpu: PCIAddress) throws(RecordError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw .file(operation: "remove", path: RecordStore.folder, errno: .ioError) }
        try failRecord("remove")
        try records.remove(gpu)
    }

    private func failRecord(_ operation: String) throws(RecordError) {
        defer { recordEffects += 1 }
        guard let errno = recordFaults[recordEffects] else { return }
        throw .file(operation: operation, path: RecordStore.folder, errno: errno)
    }

    /// Maps what `pci_request_region()` would give: a BAR with nothing but its own line in it.
    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        self.targets = targets
        if let vfioError { throw vfioError }
        let doubts = targets.prefix(1).flatMap { target in
            barsOfDoubt.sorted().map {
                RegionProof(address: target.address, interface: .group, bar: $0, size: 0, outcome: .unsized(.ioError))
            }
        }
        return doubts
            + targets.flatMap { target in
                let address = target.address
                let function = machine.functions.first { $0.address == address.description }
                let bars = (function?.bars ?? []).filter { !barsThatVFIOLacks.contains($0.index) }
                let missing = (target.bars ?? [:]).filter { index, _ in !bars.contains { $0.index == index } }
                let proofs = bars.map { bar in
                    let isBlocked = machine.lines.contains {
                        $0.range.overlaps(bar.range) && !$0.name.hasPrefix("PCI Bus") && $0.name != address.description
                    }
                    return RegionProof(
                        address: address, interface: .group, bar: bar.index,
                        size: UInt64(truncatingIfNeeded: bar.range.size),
                        outcome: isBlocked ? .failed(.resourceBusy) : .mapped)
                }
                return proofs
                    + missing.map {
                        RegionProof(address: address, interface: .group, bar: $0.key, size: $0.value, outcome: .missing)
                    }
            }
    }

    // MARK: - What the kernel does

    private func play(_ value: String, _ path: String) throws(FileTreeError) {
        do {
            let parts = path.split(separator: "/").map(String.init)
            switch parts.last {
            // To clear it takes a newline.
            case "driver_override" where value.isEmpty: break
            case "driver_override":
                try folder.write(value == "\n" ? "(null)\n" : "\(value)\n", to: path)
            case "unbind" where path.hasPrefix(KernelPath.platformDrivers): try unbindFramebuffer(value)
            case "unbind": try unbindFunction(value, from: parts[parts.count - 2])
            case "bind" where path.hasPrefix(KernelPath.platformDrivers):
                try bindFramebuffer(value, to: parts[parts.count - 2])
            case "bind" where path.hasPrefix(KernelPath.consoles): try folder.write("\(value)\n", to: path)
            case "bind": try bind(value, to: parts[parts.count - 2])
            case "drivers_probe": try probe(value)
            case "remove": try remove(parts[parts.count - 2])
            case "rescan": try rescan()
            default: throw Errno.noSuchFileOrDirectory
            }
            try files.writeMemoryMap(machine)
        } catch {
            throw FileTreeError(.write, path, error as? Errno ?? .ioError, value: value)
        }
    }

    /// The driver's entry goes, unless its node is held open; the device's own (BOOTFB) stays.
    private func unbindFramebuffer(_ name: String) throws {
        let link = "\(KernelPath.platformDevice(name))/driver"
        guard let framebuffer = machine.framebuffers.first(where: { $0.name == name }), folder.exists(link) else {
            throw Errno.noSuchDevice
        }
        try folder.remove(link)
        let entries = machine.lines.filter { $0.name == framebuffer.kind.entryName && $0.range == framebuffer.range }
        if heldForPauses == nil { remove(entries) } else { heldLines = entries }
    }

    private func bindFramebuffer(_ name: String, to driver: String) throws {
        let path = KernelPath.platformDevice(name)
        guard let framebuffer = machine.framebuffers.first(where: { $0.name == name }), folder.exists(path) else {
            throw Errno.noSuchDevice
        }
        guard try attribute("\(path)/driver_override") == nil else { throw Errno.noSuchDevice }
        try folder.link(
            "\(MachineFiles.home(of: framebuffer, among: machine.functions))/driver",
            to: "\(KernelPath.platformDrivers)/\(driver)")
        if framebuffer.isListed, framebuffer.kind != .vga16fb {
            machine.lines.append(IomemEntry(range: framebuffer.range, name: framebuffer.kind.entryName))
        }
    }

    private func unbindFunction(_ address: String, from driver: String) throws {
        let index = try functionIndex(address)
        guard machine.functions[index].driver == driver else { throw Errno.noSuchDevice }
        machine.functions[index].driver = nil
        try folder.remove("\(MachineFiles.home(of: machine.functions[index]))/driver")
        try folder.remove("\(KernelPath.pciDrivers)/\(driver)/\(address)")
        nativeLines += machine.lines.filter { $0.name == driver }
        machine.lines.removeAll { $0.name == driver }
    }

    private func probe(_ address: String) throws {
        let override = try attribute("/sys/bus/pci/devices/\(address)/driver_override")
        guard let driver = override ?? matchingDriver else { throw Errno.noSuchDevice }
        try bind(address, to: driver)
    }

    /// A driver that calls the aperture helper drops the platform devices whose range overlaps (6.0 and later): native
    /// drivers, and vfio-pci for class 0x0300.
    private func bind(_ address: String, to driver: String) throws {
        let index = try functionIndex(address)
        let override = try attribute("/sys/bus/pci/devices/\(address)/driver_override")
        guard folder.exists("\(KernelPath.pciDrivers)/\(driver)"), override == nil || override == driver else {
            throw Errno.noSuchDevice
        }
        guard machine.functions[index].driver == nil else { throw Errno.resourceBusy }
        machine.functions[index].driver = driver
        machine.lines += nativeLines.filter { $0.name == driver }
        nativeLines.removeAll { $0.name == driver }
        try files.writeDriver(driver, of: machine.functions[index])
        let isModern = machine.kernel.flatMap(KernelRelease.init)?.isAtLeast(6, 0) == true
        if isModern, driver != "vfio-pci" || machine.functions[index].pciClass >> 8 == 0x0300 {
            try dropFramebuffers(over: machine.functions[index])
        }
    }

    /// From 6.4 to 6.10 `sysfb_disable()` is called for the boot VGA device alone: for another one the helper finds the
    /// framebuffers that have a driver.
    private func dropFramebuffers(over function: Function) throws {
        let bars = function.bars
        let kernel = machine.kernel.flatMap(KernelRelease.init)
        let findsUnbound =
            kernel.map { !$0.isAtLeast(6, 4) || $0.isAtLeast(6, 11) } == true || function.bootVGA == true
        let dropped = machine.framebuffers.filter { framebuffer in
            let isBound = folder.exists("\(KernelPath.platformDevice(framebuffer.name))/driver")
            return (isBound || findsUnbound) && bars.contains { $0.range.overlaps(framebuffer.range) }
        }
        for framebuffer in dropped {
            let home = MachineFiles.home(of: framebuffer, among: machine.functions)
            try folder.remove("\(KernelPath.platformDevices)/\(framebuffer.name)")
            try folder.remove(home)
            machine.lines.removeAll {
                $0.range == framebuffer.range
                    && ($0.name == framebuffer.kind.residue || $0.name == framebuffer.kind.entryName)
            }
        }
        machine.framebuffers.removeAll { framebuffer in dropped.contains { $0.name == framebuffer.name } }
    }

    /// `release_resource()` of a BAR takes along whatever stands below it.
    private func remove(_ address: String) throws {
        let index = try functionIndex(address)
        removals += 1
        let function = machine.functions.remove(at: index)
        removed.append(function)
        machine.lines.removeAll { line in
            line.name == address
                || function.bars.contains { bar in
                    bar.range.contains(line.range) && !line.name.hasPrefix("PCI Bus")
                }
        }
        try folder.remove("/sys/bus/pci/devices/\(address)")
        if let driver = function.driver { try folder.remove("\(KernelPath.pciDrivers)/\(driver)/\(address)") }
        if let group = function.group { try folder.remove("\(KernelPath.iommuGroups)/\(group)/devices/\(address)") }
        try folder.remove(MachineFiles.home(of: function))
        for framebuffer in machine.framebuffers where framebuffer.parent == address {
            try? folder.remove("\(KernelPath.platformDevices)/\(framebuffer.name)")
        }
        machine.framebuffers.removeAll { $0.parent == address }
    }

    private func rescan() throws {
        for var function in removed {
            function.driver = nil
            function.override = nil
            if let bars = barsAfterRescan, function.pciClass >> 16 == 0x03 { function.bars = bars }
            machine.functions.append(function)
            machine.lines += function.bars.map { IomemEntry(range: $0.range, name: function.address) }
            try files.write(function)
            if let native = nativeWinsRescan {
                try files.writeDriver(native)
                try bind(function.address, to: native)
            }
        }
        removed = []
    }

    private func remove(_ entries: [IomemEntry]) {
        machine.lines.removeAll { entries.contains($0) }
        heldLines.removeAll { entries.contains($0) }
        try? files.writeMemoryMap(machine)
    }

    private func functionIndex(_ address: String) throws -> Int {
        guard let index = machine.functions.firstIndex(where: { $0.address == address }) else {
            throw Errno.noSuchDevice
        }
        return index
    }
}
