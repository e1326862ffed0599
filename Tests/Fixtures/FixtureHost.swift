package import Aperture
package import KernelFiles
package import Reclaim
package import Record
package import SystemPackage
package import Units
package import VFIO

/// A host made of files, which fails where it is told to. What the kernel would do after a write is ``FixtureKernel``'s.
///
/// Reads go through the product's own reader.
package final class FixtureHost: Host {
    /// What reacts to the writes.
    package let kernel: FixtureKernel
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
    /// The time that the host tells, in seconds since 1970-01-01T00:00:00Z.
    package var clock: Int64 = 1_790_000_000
    /// The service that this process belongs to.
    package var unit: String?
    /// The processes that live, with their start times; a stuck write is the work of one.
    package var processes: [Int32: UInt64] = [:]
    /// The override that somebody else gives the GPU when it comes back from a rescan.
    package var overrideAfterRescan: String?
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
    private let real: MachineHost

    package init(@MachineBuilder _ parts: () -> [any Part]) throws {
        kernel = try FixtureKernel(parts)
        // A test has too much memory for a fork at each reading. Tests of hanging reads have a reader of their own.
        real = MachineHost(tree: FileTree(root: FilePath(kernel.folder.path)), lockDeadline: nil)
    }

    package var machine: Machine { kernel.machine }

    package var folder: TemporaryFolder { kernel.folder }

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
        real.identity(ofDevice: path).map { $0 &+ kernel.removals << 48 }
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
            kernel.forgetRemoved()
            throw FileTreeError(.write, path, .noSuchDevice, value: value)
        case nil: break
        }
        try play(value, path)
    }

    private func play(_ value: String, _ path: String) throws(FileTreeError) {
        do {
            try kernel.write(value, to: path)
        } catch {
            throw FileTreeError(.write, path, error as? Errno ?? .ioError, value: value)
        }
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
            try kernel.load(module)
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
            try kernel.unload(module)
        } catch {
            throw ModuleError(module: module, reason: "\(error)", isUnloading: true)
        }
    }

    // MARK: - Services

    /// The services that do not stop, or do not start.
    package var unitErrors: [String: UnitError] = [:]
    /// Services whose processes do not end with them at once; they have so many pauses left.
    package var lingering: [String: Int] = [:]
    /// Every service that was stopped or started, in order: `stop gdm.service`.
    package private(set) var unitCalls: [String] = []
    /// Is told of every service that was stopped or started.
    package var afterUnitCall: ((_ call: String) -> Void)?
    /// Whether the system is shutting down.
    package var isShuttingDown = false

    package func unitName(_ name: String) -> String { real.unitName(name) }

    package func isStopping() -> Bool { isShuttingDown }

    package func isActive(unit: String) throws(UnitError) -> Bool { kernel.isActive(unit) }

    package func stop(unit: String) throws(UnitError) { try call("stop", unit) }

    package func start(unit: String) throws(UnitError) { try call("start", unit) }

    private func call(_ verb: String, _ unit: String) throws(UnitError) {
        let wasDead = begin()
        defer { finish() }
        guard !wasDead else { throw .unreachable("killed") }
        beforeWrite?(KernelPath.systemctl, "\(verb) \(unit)")
        unitCalls.append("\(verb) \(unit)")
        if let error = unitErrors["\(verb) \(unit)"] { throw error }
        do {
            try verb == "stop" ? kernel.stop(unit, lingers: lingering[unit] != nil) : kernel.start(unit)
        } catch {
            throw .unreachable("\(error)")
        }
        afterUnitCall?("\(verb) \(unit)")
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
        if let limit = kernel.heldForPauses, pauses >= limit { kernel.closeHeld() }
        for (unit, left) in lingering {
            lingering[unit] = left - 1
            if left <= 1 { try? kernel.endProcesses(of: unit) }
        }
    }

    // MARK: - Records

    private var records: RecordStore { RecordStore(tree: FileTree(root: FilePath(folder.path))) }

    package func time() -> Int64 { clock }

    package func ownUnit() -> String? { unit }

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
}
