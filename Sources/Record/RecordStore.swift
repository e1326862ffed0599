package import Aperture
internal import Glibc
package import Sysfs
internal import SystemPackage

/// The records of this machine's claims, one file each, under `/run/apertured`.
///
/// The folder is entered once, without following a link, and every file is named relative to it, so that nobody can
/// put another folder in its place meanwhile. A file is written under another name, flushed, and renamed: a reader, and
/// a run after a kill, sees the old record or the new one.
package struct RecordStore: Sendable {
    package static let folder = "/run/apertured"
    /// Far more than a record needs.
    private static let largest = 1 << 20

    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    package func save(_ record: ClaimRecord) throws(RecordError) {
        let folder = try RecordFolder(tree: tree, makes: true)
        let name = Self.name(of: record.gpu)
        let temporary = ".\(name).new"
        // Left by a run that was killed while it wrote.
        try folder.remove(temporary)
        try folder.write(RecordCodec.encode(record), to: temporary)
        try folder.rename(temporary, to: name)
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
        try folder.flush()
    }

    /// The right to change the machine, until it is let go or the process ends.
    /// - Parameter milliseconds: How long to wait for another one to finish.
    package func lock(within milliseconds: Int32) throws(RecordError) -> RecordLock {
        try RecordLock(folder: try RecordFolder(tree: tree, makes: true), within: milliseconds)
    }

    private static func name(of gpu: PCIAddress) -> String { "\(gpu).json" }
}
