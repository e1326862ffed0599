package import Aperture
internal import JSONFormat
package import KernelFiles
internal import SystemPackage

/// How often a card was claimed since the boot, and how that ended. A reboot forgets it, as it forgets the claims.
package struct ClaimCounters: Hashable, Sendable {
    /// The claims that have ended, however they ended.
    package var claims = 0
    /// The claims that failed, by a code: that of a refusal, or of an error.
    package var failures: [String: Int] = [:]
    /// Whether the last claim failed; `nil` before the first.
    package var hasLastFailed: Bool?
    /// How long the last claim that ended well took, in milliseconds; `nil` before the first.
    package var milliseconds: Int?

    /// Nothing has been counted.
    package init() {}

    /// Counts a claim that ended well.
    /// - Parameter milliseconds: How long it took; `nil` where that was not measured.
    package mutating func succeed(after milliseconds: Int?) {
        claims += 1
        hasLastFailed = false
        if let milliseconds { self.milliseconds = milliseconds }
    }

    /// Counts a claim that failed.
    package mutating func fail(_ code: String) {
        claims += 1
        failures[code, default: 0] += 1
        hasLastFailed = true
    }
}

/// The counters of this machine's cards, one file each, in `/run/apertured/counters`.
package struct CounterStore {
    /// The folder in `/run/apertured`, for root alone.
    package static let folder = "counters"
    /// The largest file that is read, in bytes: each code has a line.
    private static let largest = 16_384

    private let tree: FileTree

    /// The counters below the tree's root.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Whether something was counted, or written under the lock, since the boot.
    package var exists: Bool { tree.exists("\(RecordStore.folder)/\(Self.folder)") }

    /// Takes the lock under which counters and files of metrics are written. It is not the lock of claims.
    /// - Parameters:
    ///   - milliseconds: How long to wait for another process to release it.
    ///   - tick: Called several times a second during the wait.
    package func lock(within milliseconds: Int32, tick: () -> Void = {}) throws(RecordError) -> RecordLock {
        try RecordLock(folder: try RecordFolder(tree: tree, Self.folder, makes: true), within: milliseconds) { _ in
            tick()
            return nil
        }
    }

    /// The card's counters; those of a card without a file are zero. Throws for a file that is not trusted or malformed.
    package func load(_ gpu: PCIAddress) throws(RecordError) -> ClaimCounters {
        guard tree.exists(RecordStore.folder) else { return ClaimCounters() }
        // Only root can look into the folder, and so only root can tell that there is none.
        do throws(RecordError) {
            return try load(gpu, from: try RecordFolder(tree: tree, Self.folder, makes: false))
        } catch .file(_, _, .noSuchFileOrDirectory) {
            return ClaimCounters()
        }
    }

    /// Changes the card's counters, under the lock. A reader finds the old ones or the new ones. A file that cannot be
    /// used is replaced, as if nothing had been counted.
    package func update(
        _ gpu: PCIAddress, within milliseconds: Int32, tick: () -> Void = {}, _ change: (inout ClaimCounters) -> Void
    ) throws(RecordError) {
        let lock = try lock(within: milliseconds, tick: tick)
        let folder = try RecordFolder(tree: tree, Self.folder, makes: true)
        var counters = ClaimCounters()
        do throws(RecordError) {
            counters = try load(gpu, from: folder)
        } catch .malformed {
            // The counters restart.
        }
        change(&counters)
        let (name, new) = (Self.name(of: gpu), ".\(Self.name(of: gpu)).new")
        // A run that was killed may have left it.
        try folder.remove(new)
        try folder.write(Self.encode(counters), to: new)
        try folder.rename(new, to: name)
        // The lock is held until here.
        _ = consume lock
    }

    private func load(_ gpu: PCIAddress, from folder: borrowing RecordFolder) throws(RecordError) -> ClaimCounters {
        let name = Self.name(of: gpu)
        guard let bytes = try folder.read(name, atMost: Self.largest) else { return ClaimCounters() }
        do throws(RecordCodec.Failure) {
            return try Self.decode(bytes)
        } catch {
            throw .malformed(path: "\(folder.path)/\(name)", reason: error.reason)
        }
    }

    private static func name(of gpu: PCIAddress) -> String { "\(gpu).json" }

    // MARK: - The file

    private static func encode(_ counters: ClaimCounters) -> [UInt8] {
        let failures = counters.failures.sorted { $0.key < $1.key }
        let json = JSON.object([
            "version": .number(1),
            "claims": .number(counters.claims),
            "failures": .array(
                failures.map { .object(["code": .string($0.key), "count": .number($0.value)]) }),
            "lastFailed": counters.hasLastFailed.map { .bool($0) } ?? .null,
            "milliseconds": counters.milliseconds.map { .number($0) } ?? .null,
        ])
        return Array((json.text + "\n").utf8)
    }

    private static func decode(_ bytes: [UInt8]) throws(RecordCodec.Failure) -> ClaimCounters {
        let fields: RecordFields
        do {
            fields = RecordFields(try JSONParser.parse(bytes), at: "counters")
        } catch {
            throw RecordCodec.Failure(reason: "it is not JSON at byte \(error.offset): \(error.expected) was expected")
        }
        guard try fields.number("version") == 1 else { throw RecordCodec.Failure(reason: "its version is not 1") }
        var counters = ClaimCounters()
        counters.claims = try fields.number("claims")
        for item in try fields.array("failures") {
            counters.failures[try item.string("code")] = try item.number("count")
        }
        counters.hasLastFailed = try fields.optional("lastFailed") == nil ? nil : try fields.bool("lastFailed")
        counters.milliseconds = try fields.optional("milliseconds").map { (item) throws(RecordCodec.Failure) in
            try item.number()
        }
        return counters
    }
}
