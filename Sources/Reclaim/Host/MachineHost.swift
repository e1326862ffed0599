package import Aperture
internal import CLinux
internal import Glibc
package import KernelFiles
package import Record
internal import SystemPackage
package import Units
package import VFIO

/// The machine itself, or a tree of files in its shape.
package struct MachineHost: Host {
    /// The root: `/`, or the folder of a captured or made machine.
    package let tree: FileTree
    /// How long one write may take in the kernel, in milliseconds.
    package let writeDeadline: Int32
    /// Called several times a second while a read or a write hangs, and after each pause.
    package var tick: () -> Void = {}
    /// Called several times a second while another run of apertured is waited for, with the milliseconds that are left.
    package var whileLocked: (Int32) -> Void = { _ in }
    private let lockDeadline: Int32?
    private let aliases = AliasCache()
    private let interruptions: [CInt]

    /// - Parameters:
    ///   - writeDeadline: How long one write may take in the kernel, in milliseconds.
    ///   - lockDeadline: How long a read may wait for a lock in the kernel, in milliseconds; `nil` only for a tree in
    ///     which no read can hang.
    ///   - interruptions: The signals that ask this process to stop. The caller has blocked them.
    package init(
        tree: FileTree, writeDeadline: Int32 = 30_000, lockDeadline: Int32? = SnapshotReader.standardDeadline,
        interruptions: [CInt] = []
    ) {
        self.tree = tree
        self.interruptions = interruptions
        self.writeDeadline = writeDeadline
        self.lockDeadline = lockDeadline
    }

    private func goOn() -> Bool {
        tick()
        return true
    }

    /// Reads the machine. A signal ends the waiting of a ``SnapshotScope/watch(_:)``.
    package func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot {
        // A guard that is told to stop does not need the rest of the snapshot.
        let isWatching = scope.purpose == .watch
        let tick = { goOn() && (!isWatching || interruption() == nil) }
        return try SnapshotReader(tree: tree, lockDeadline: lockDeadline, aliases: aliases, tick: tick).read(
            scope, withHolders: withHolders)
    }

    /// Reads with a deadline when the kernel shows the attribute under a lock.
    package func attribute(_ path: String) throws(FileTreeError) -> String? {
        guard let question = Question(attribute: path) else { return try tree.textIfPresent(path) }
        return try DeadlineReader(tree: tree, deadline: lockDeadline, tick: goOn).text(question)
    }

    /// The last component of the device's `driver` link.
    package func driver(ofDevice path: String) throws(FileTreeError) -> String? {
        try tree.linkName("\(path)/driver")
    }

    /// Whether there is such a file or directory below the root.
    package func exists(_ path: String) -> Bool {
        tree.exists(path)
    }

    /// The inode number: kernfs gives each directory its own (`__kernfs_new_node()`).
    package func identity(ofDevice path: String) -> UInt64? {
        tree.identity(path)
    }

    /// Writes with ``writeDeadline``, in a process of its own.
    package func write(_ value: String, to path: String) throws(FileTreeError) {
        try DeadlineWriter(tree: tree, deadline: writeDeadline, tick: goOn).write(value, to: path)
    }

    /// Runs modprobe, which knows aliases, dependencies and the administrator's options.
    package func load(module: String) throws(ModuleError) {
        try loader(of: module, isUnloading: false).load(module)
    }

    /// Calls delete_module(2) for this module alone.
    package func unload(module: String) throws(ModuleError) {
        try loader(of: module, isUnloading: true).unload(module)
    }

    private func loader(of module: String, isUnloading: Bool) throws(ModuleError) -> ModuleLoader {
        guard tree.isOfKernel else {
            throw ModuleError(
                module: module, reason: "modules belong to the machine itself, and not to another root",
                isUnloading: isUnloading)
        }
        // A container has modprobe, and the host has the modules.
        let root = tree.isMachine ? HostRoot.path : tree.root.string
        return ModuleLoader(root: root, deadline: writeDeadline, tick: goOn)
    }

    /// From the links in the folders of units, below the root.
    package func unitName(_ name: String) -> String { UnitAliases(tree: tree).name(of: name) }

    /// Through systemctl, with a deadline.
    package func stop(unit: String) throws(UnitError) { try services().stop(unit) }

    /// Through systemctl. Only a process that belongs to no unit waits for the start, with a deadline.
    package func start(unit: String) throws(UnitError) { try services().start(unit, waits: ownUnit() == nil) }

    /// Through systemctl.
    package func isActive(unit: String) throws(UnitError) -> Bool { try services().isActive(unit) }

    /// Through systemctl. A system whose manager cannot be asked is not shutting down.
    package func isStopping() -> Bool { (try? services().isStopping()) ?? false }

    private func services() throws(UnitError) -> Services {
        guard tree.isMachine else {
            throw .unreachable("services belong to the machine itself, and not to another root")
        }
        return Services(SystemctlProgram(tick: tick))
    }

    /// Writes with ``writeDeadline``; a second thread sets the override.
    package func rescan(
        _ path: String, for address: PCIAddress, override: String
    ) throws(FileTreeError) {
        try DeadlineWriter(tree: tree, deadline: writeDeadline, tick: goOn).rescan(
            path, for: address, override: override)
    }

    /// poll(2) without descriptors.
    package func pause(milliseconds: Int32) {
        _ = poll(nil, 0, milliseconds)
        tick()
    }

    /// The first pending signal of those that ask this process to stop: sigpending(2).
    package func interruption() -> String? {
        let signal = unsafe clinux_pending_signal(interruptions, CInt(interruptions.count))
        return signal == 0 ? nil : Self.name(of: signal)
    }

    private static func name(of signal: CInt) -> String {
        switch signal {
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        default: "signal \(signal)"
        }
    }

    /// CLOCK_REALTIME.
    package func time() -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }

    /// From the machine's own /proc, whatever the root.
    package func ownUnit() -> String? {
        let group = ControlGroup(of: "self", in: FileTree())
        guard group.isSystemUnit, let unit = group.unit, unit.hasSuffix(".service") else { return nil }
        return unit
    }

    /// From the machine's own /proc, whatever the root: this program started the process.
    package func startTime(ofProcess process: Int32) -> UInt64? { ProcessStat.startTime(of: process) }

    /// Reads the card's file in ``RecordStore/folder``.
    package func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? { try records.load(gpu) }

    /// The cards that have a file in ``RecordStore/folder``.
    package func recorded() throws(RecordError) -> [PCIAddress] { try records.recorded() }

    /// Writes the card's file in ``RecordStore/folder``.
    package func save(_ record: ClaimRecord) throws(RecordError) { try records.save(record) }

    /// Removes the card's file from ``RecordStore/folder``.
    package func removeRecord(of gpu: PCIAddress) throws(RecordError) { try records.remove(gpu) }

    /// Whether ``RecordStore/folder`` exists: a command has taken the lock since the boot, or the unit was started.
    package var hasRecords: Bool { tree.exists(RecordStore.folder) }

    private var records: RecordStore { RecordStore(tree: tree) }

    /// Does the work while no other run of apertured may change the machine; see ``RecordStore/lock(within:unless:)``.
    package func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome {
        let lock = try lock(within: milliseconds)
        let outcome = Result(catching: work)
        // The lock is held until here.
        _ = consume lock
        return try outcome.get()
    }

    /// Takes the lock of ``locked(within:_:)``, which is held until it is destroyed. Only one at a time in a process: the
    /// kernel does not tell its threads apart.
    /// - Parameter ask: Called during the wait, beside ``interruption()``: a signal's name ends it.
    package func lock(
        within milliseconds: Int32, unless ask: () -> String? = { nil }
    ) throws(ReclaimError) -> RecordLock {
        do {
            return try records.lock(within: milliseconds) {
                whileLocked($0)
                return ask() ?? interruption()
            }
        } catch {
            throw .record(error)
        }
    }

    /// Proves through the kernel's VFIO below the root; see ``Prover``.
    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        try Prover(calls: KernelCalls(tree: tree)).prove(targets)
    }
}
