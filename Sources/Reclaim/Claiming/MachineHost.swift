package import Aperture
internal import Glibc
package import Record
package import Sysfs
internal import SystemPackage
package import VFIO

/// The machine itself, or a tree of files in its shape.
package struct MachineHost: Host {
    package let tree: FileTree
    /// How long one write may take in the kernel, in milliseconds.
    package let writeDeadline: Int32
    private let lockDeadline: Int32

    /// - Parameter lockDeadline: How long the kernel may hold a lock that it is asked under, in milliseconds.
    package init(tree: FileTree, writeDeadline: Int32 = 30_000, lockDeadline: Int32? = nil) {
        self.tree = tree
        self.writeDeadline = writeDeadline
        self.lockDeadline = lockDeadline ?? GuardedReader.patience
    }

    package func snapshot(withHolders: Bool) throws(SnapshotError) -> Snapshot {
        try SnapshotReader(tree: tree, lockDeadline: lockDeadline).read(withHolders: withHolders)
    }

    package func attribute(_ path: String) throws(FileTreeError) -> String? {
        guard let lock = GuardedReader.Lock(attribute: path) else { return try tree.textIfPresent(path) }
        return try GuardedReader(tree: tree, deadline: lockDeadline).text(path, under: lock)
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
        try GuardedWriter(tree: tree, deadline: writeDeadline).write(value, to: path)
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
        return ModuleLoader(deadline: writeDeadline)
    }

    package func rescan(
        _ path: String, for address: PCIAddress, override: String
    ) throws(FileTreeError) {
        try GuardedWriter(tree: tree, deadline: writeDeadline).rescan(path, for: address, override: override)
    }

    package func pause(milliseconds: Int32) {
        _ = poll(nil, 0, milliseconds)
    }

    /// Of a process that this one started, whatever the root.
    package func startTime(ofProcess process: Int32) -> UInt64? { ProcessStat.startTime(of: process) }

    package func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? { try records.load(gpu) }

    package func recorded() throws(RecordError) -> [PCIAddress] { try records.recorded() }

    package func save(_ record: ClaimRecord) throws(RecordError) { try records.save(record) }

    package func removeRecord(of gpu: PCIAddress) throws(RecordError) { try records.remove(gpu) }

    private var records: RecordStore { RecordStore(tree: tree) }

    /// Does the work while no other one may change the machine: see ``RecordStore/lock(within:)``.
    package func locked<Outcome>(within milliseconds: Int32, _ work: () throws -> Outcome) throws -> Outcome {
        let lock = try records.lock(within: milliseconds)
        let outcome = Result(catching: work)
        // Held until here, and not a moment less.
        _ = consume lock
        return try outcome.get()
    }

    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        try Prover(calls: KernelCalls(tree: tree)).prove(targets)
    }
}
