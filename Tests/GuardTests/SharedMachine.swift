import Aperture
import Fixtures
import Foundation
import Guard
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Units
import VFIO

/// One machine for several threads: each call is made by one of them at a time. A write that is to hang waits outside.
final class SharedMachine: Reclaim.Host, @unchecked Sendable {
    private let base: FixtureHost
    private let lock = NSRecursiveLock()
    private let doors = NSCondition()
    private var shut: Set<String> = []
    private var waiting = 0

    init(@MachineBuilder _ parts: () -> [any Part]) throws { base = try FixtureHost(parts) }

    /// Looks at the machine, or changes it.
    func with<Outcome>(_ work: (FixtureHost) throws -> Outcome) rethrows -> Outcome {
        lock.lock()
        defer { lock.unlock() }
        return try work(base)
    }

    private func one<Outcome, Failure: Error>(_ work: () throws(Failure) -> Outcome) throws(Failure) -> Outcome {
        lock.lock()
        defer { lock.unlock() }
        return try work()
    }

    /// From now on writes whose path or value has this text hang.
    func hang(_ text: String) { doors.withLock { _ = shut.insert(text) } }

    /// They go on.
    func letGo() {
        doors.withLock {
            shut = []
            doors.broadcast()
        }
    }

    /// How many writes hang.
    var hanging: Int { doors.withLock { waiting } }

    private func pass(_ text: String) {
        doors.withLock {
            waiting += 1
            while shut.contains(where: text.contains) { doors.wait() }
            waiting -= 1
        }
    }

    func snapshot(_ scope: SnapshotScope, withHolders: Bool) throws(SnapshotError) -> Snapshot {
        try one { () throws(SnapshotError) in try base.snapshot(scope, withHolders: withHolders) }
    }

    func write(_ value: String, to path: String) throws(FileTreeError) {
        pass("\(path) \(value)")
        try one { () throws(FileTreeError) in try base.write(value, to: path) }
    }

    func attribute(_ path: String) throws(FileTreeError) -> String? {
        try one { () throws(FileTreeError) in try base.attribute(path) }
    }

    func driver(ofDevice path: String) throws(FileTreeError) -> String? {
        try one { () throws(FileTreeError) in try base.driver(ofDevice: path) }
    }

    func exists(_ path: String) -> Bool { one { base.exists(path) } }

    func identity(ofDevice path: String) -> UInt64? { one { base.identity(ofDevice: path) } }

    func load(module: String) throws(ModuleError) {
        try one { () throws(ModuleError) in try base.load(module: module) }
    }

    func unload(module: String) throws(ModuleError) {
        try one { () throws(ModuleError) in try base.unload(module: module) }
    }

    func unitName(_ name: String) -> String { one { base.unitName(name) } }

    func stop(unit: String) throws(UnitError) { try one { () throws(UnitError) in try base.stop(unit: unit) } }

    func start(unit: String) throws(UnitError) { try one { () throws(UnitError) in try base.start(unit: unit) } }

    func isActive(unit: String) throws(UnitError) -> Bool {
        try one { () throws(UnitError) in try base.isActive(unit: unit) }
    }

    func isStopping() -> Bool { one { base.isStopping() } }

    func rescan(_ path: String, for address: PCIAddress, override: String) throws(FileTreeError) {
        try one { () throws(FileTreeError) in try base.rescan(path, for: address, override: override) }
    }

    func pause(milliseconds: Int32) { one { base.pause(milliseconds: milliseconds) } }

    func interruption() -> String? { one { base.interruption() } }

    func time() -> Int64 { one { base.time() } }

    func ownUnit() -> String? { one { base.ownUnit() } }

    func startTime(ofProcess process: Int32) -> UInt64? { one { base.startTime(ofProcess: process) } }

    func record(of gpu: PCIAddress) throws(RecordError) -> ClaimRecord? {
        try one { () throws(RecordError) in try base.record(of: gpu) }
    }

    func recorded() throws(RecordError) -> [PCIAddress] { try one { () throws(RecordError) in try base.recorded() } }

    func save(_ record: ClaimRecord) throws(RecordError) { try one { () throws(RecordError) in try base.save(record) } }

    func removeRecord(of gpu: PCIAddress) throws(RecordError) {
        try one { () throws(RecordError) in try base.removeRecord(of: gpu) }
    }

    func locked<Outcome>(
        within milliseconds: Int32, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome { try work() }

    func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        try one { () throws(VFIOError) in try base.prove(targets) }
    }
}
