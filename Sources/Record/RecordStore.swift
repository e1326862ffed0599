package import Aperture
internal import Glibc
package import KernelFiles
internal import SystemPackage

/// The records of this machine's claims, one file each, under `/run/apertured`.
///
/// The folder is entered once, without following a link, and every file is named relative to it, so that nobody can
/// put another folder in its place meanwhile. A file is written under another name, flushed, and renamed: a reader, and
/// a run after a kill, sees the old record or the new one. The room for the next one is reserved before it is needed.
package struct RecordStore: Sendable {
    package static let folder = "/run/apertured"
    /// Far more than a record needs.
    private static let largest = 1 << 20
    /// More than most records need, in bytes.
    private static let leastRoom = 16_384

    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    /// - Throws: For a claim that is going on, also when there is no room for what is to be noted next.
    package func save(_ record: ClaimRecord) throws(RecordError) {
        let folder = try RecordFolder(tree: tree, makes: true)
        let (name, room) = (Self.name(of: record.gpu), Self.room(of: record.gpu))
        let bytes = RecordCodec.encode(record)
        // Made by an earlier version, and left by a run that was killed while it wrote.
        try folder.remove(".\(name).new")
        try folder.write(bytes, to: room)
        try folder.rename(room, to: name)
        do throws(RecordError) {
            try folder.reserve(max(Self.leastRoom, 2 * bytes.count), for: room)
        } catch {
            // What is left to be noted of other states is the release, and that can do without.
            guard record.state != .claiming else { throw error }
        }
    }

    /// The card's record; `nil` when it has none.
    package func load(_ gpu: PCIAddress) throws(RecordError) -> ClaimRecord? {
        guard tree.exists(Self.folder) else { return nil }
        let folder = try RecordFolder(tree: tree, makes: false)
        guard let bytes = try folder.read(Self.name(of: gpu), atMost: Self.largest) else { return nil }
        let path = "\(Self.folder)/\(Self.name(of: gpu))"
        do {
            let record = try RecordCodec.decode(bytes)
            guard record.gpu == gpu else {
                throw RecordError.malformed(path: path, reason: "it is a record of \(record.gpu)")
            }
            return record
        } catch let failure as RecordCodec.Failure {
            throw .malformed(path: path, reason: failure.reason)
        } catch let error as RecordError {
            throw error
        } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
    }

    /// The cards that have a record, in order.
    package func recorded() throws(RecordError) -> [PCIAddress] {
        do {
            return try tree.listIfPresent(Self.folder).compactMap { name in
                name.hasSuffix(".json") ? PCIAddress(name.dropLast(5)) : nil
            }.sorted()
        } catch {
            throw .file(operation: "list", path: error.path, errno: error.errno)
        }
    }

    package func remove(_ gpu: PCIAddress) throws(RecordError) {
        guard tree.exists(Self.folder) else { return }
        let folder = try RecordFolder(tree: tree, makes: false)
        try folder.remove(Self.name(of: gpu))
        try folder.remove(Self.room(of: gpu))
        try folder.flush()
    }

    /// The right to change the machine, until it is let go or the process ends.
    /// - Parameters:
    ///   - milliseconds: How long to wait for another one to finish.
    ///   - interruption: Why to wait no longer, asked again and again; `nil` to go on.
    package func lock(
        within milliseconds: Int32, unless interruption: () -> String? = { nil }
    ) throws(RecordError) -> RecordLock {
        try RecordLock(
            folder: try RecordFolder(tree: tree, makes: true), within: milliseconds, unless: interruption)
    }

    private static func name(of gpu: PCIAddress) -> String { "\(gpu).json" }

    /// The file that the next record is written to: its blocks are allocated already, so that a full /run keeps no claim
    /// from being undone or given back.
    private static func room(of gpu: PCIAddress) -> String { ".\(gpu).json.room" }
}
