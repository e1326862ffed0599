package import Aperture
internal import CLinux
internal import Glibc
package import Record
package import KernelFiles
internal import SystemPackage
package import VFIO

/// The machine itself, or a tree of files in its shape.
package struct MachineHost: Host {
    package let tree: FileTree
    /// How long one write may take in the kernel, in milliseconds.
    package let writeDeadline: Int32
    /// Called several times a second while a read or a write hangs.
    package var tick: () -> Void = {}
    /// Called several times a second while another run of apertured is waited for.
    package var whileLocked: () -> Void = {}
    private let lockDeadline: Int32
    private let interruptions: [CInt]

    /// - Parameters:
    ///   - lockDeadline: How long the kernel may hold a lock that it is asked under, in milliseconds.
    ///   - interruptions: The signals that ask this process to stop. They are blocked while it is at work.
    package init(
        tree: FileTree, writeDeadline: Int32 = 30_000, lockDeadline: Int32? = nil, interruptions: [CInt] = []
    ) {
        self.tree = tree
        self.interruptions = interruptions
        self.writeDeadline = writeDeadline
        self.lockDeadline = lockDeadline ?? DeadlineReader.standardDeadline
    }

    private func goOn() -> Bool {
        tick()
        return true
    }

    package func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot {
        // Whoever looks after a card and is told to stop has no use for what it was about to see.
        let isWatching = if case .watch = scope { true } else { false }
        let tick = { goOn() && (!isWatching || interruption() == nil) }
        return try SnapshotReader(tree: tree, lockDeadline: lockDeadline, tick: tick).read(
            scope, withHolders: withHolders)
    }

    package func attribute(_ path: String) throws(FileTreeError) -> String? {
        guard let question = Question(attribute: path) else { return try tree.textIfPresent(path) }
        return try DeadlineReader(tree: tree, deadline: lockDeadline, tick: goOn).text(question)
    }

    package func driver(ofDevice path: String) throws(FileTreeError) -> String? {
        try tree.linkName("\(path)/driver")
    }

    package func exists(_ path: String) -> Bool {
        tree.exists(path)
    }

    /// The inode number: kernfs gives each directory its own (`__kernfs_new_node()`).
    package func identity(ofDevice path: String) -> UInt64? {
        tree.identity(path)
    }

    package func write(_ value: String, to path: String) throws(FileTreeError) {
        try DeadlineWriter(tree: tree, deadline: writeDeadline, tick: goOn).write(value, to: path)
    }

    /// Through modprobe, which knows aliases, dependencies and the administrator's options.
    package func load(module: String) throws(ModuleError) {
        try loader(of: module, isUnloading: false).load(module)
    }

    package func unload(module: String) throws(ModuleError) {
        try loader(of: module, isUnloading: true).unload(module)
    }

    private func loader(of module: String, isUnloading: Bool) throws(ModuleError) -> ModuleLoader {
        guard tree.isMachine else {
            throw ModuleError(
                module: module, reason: "modules are those of the machine itself, and not of a root",
                isUnloading: isUnloading)
        }
        return ModuleLoader(deadline: writeDeadline, tick: goOn)
    }

    package func rescan(
        _ path: String, for address: PCIAddress, override: String
    ) throws(FileTreeError) {
        try DeadlineWriter(tree: tree, deadline: writeDeadline, tick: goOn).rescan(
            path, for: address, override: override)
    }

    package func pause(milliseconds: Int32) {
        _ = poll(nil, 0, milliseconds)
    }

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

    /// Of a process that this one started, whatever the root.
    package func startTime(ofProcess process: Int32) -> UInt64? { ProcessStat.startTime(of: process) }

    package func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? { try records.load(gpu) }

    package func recorded() throws(RecordError) -> [PCIAddress] { try records.recorded() }

    package func save(_ record: ClaimRecord) throws(RecordError) { try records.save(record) }

    package func removeRecord(of gpu: PCIAddress) throws(RecordError) { try records.remove(gpu) }

    /// Whether a claim was ever made since the boot.
    package var hasRecords: Bool { tree.exists(RecordStore.folder) }

    private var records: RecordStore { RecordStore(tree: tree) }

    /// Does the work while no other one may change the machine: see ``RecordStore/lock(within:)``.
    package func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome {
        let lock: RecordLock
        do {
            lock = try records.lock(within: milliseconds) {
                whileLocked()
                return interruption()
            }
        } catch {
            throw .record(error)
        }
        let outcome = Result(catching: work)
        // Held until here, and not a moment less.
        _ = consume lock
        return try outcome.get()
    }

    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        try Prover(calls: KernelCalls(tree: tree)).prove(targets)
    }
}
