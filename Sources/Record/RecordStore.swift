package import Aperture
internal import Glibc
package import KernelFiles
package import SystemPackage

/// The records of this machine's claims, one file each, under `/run/apertured`.
///
/// The folder is opened once, without following a link, and every file is opened relative to it, so that nobody can put
/// another folder in its place meanwhile. A file is written under another name, flushed, and renamed: a reader, and a
/// run after a kill, sees the old record or the new one. Room for the next record is reserved before it is needed.
package struct RecordStore: Sendable {
    /// The folder of the records and of the lock, for root alone.
    package static let folder = "/run/apertured"
    /// The largest file that is read, in bytes: far more than a record needs.
    private static let largest = 1 << 20
    /// The least room that is reserved, in bytes: more than most records need.
    private static let leastRoom = 16_384

    private let tree: FileTree

    /// The records below the tree's root.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Writes the record in the place of the card's old one, and reserves room for the next.
    /// - Throws: When the record could not be written; for one in the state `claiming`, also when no room could be
    ///   reserved.
    package func save(_ record: ClaimRecord) throws(RecordError) {
        let folder = try RecordFolder(tree: tree, makes: true)
        let (name, room) = (Self.name(of: record.gpu), Self.room(of: record.gpu))
        let bytes = RecordCodec.encode(record)
        // An earlier version wrote to this file, and a run that was killed meanwhile has left it.
        try folder.remove(".\(name).new")
        try folder.write(bytes, to: room)
        try folder.rename(room, to: name)
        do throws(RecordError) {
            try folder.reserve(max(Self.leastRoom, 2 * bytes.count), for: room)
        } catch {
            // In other states only the release still writes records, and it can do without the room.
            guard record.state != .claiming else { throw error }
        }
    }

    /// The card's record, or `nil`. Throws for a record that is not trusted, malformed, or another card's.
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

    /// The cards that have a record, in the order of their addresses.
    package func recorded() throws(RecordError) -> [PCIAddress] {
        do {
            return try tree.listIfPresent(Self.folder).compactMap { name in
                name.hasSuffix(".json") ? PCIAddress(name.dropLast(5)) : nil
            }.sorted()
        } catch {
            throw .file(operation: "list", path: error.path, errno: error.errno)
        }
    }

    /// Removes the card's record and the room for the next one; either may be gone already.
    package func remove(_ gpu: PCIAddress) throws(RecordError) {
        guard tree.exists(Self.folder) else { return }
        let folder = try RecordFolder(tree: tree, makes: false)
        try folder.remove(Self.name(of: gpu))
        try folder.remove(Self.room(of: gpu))
        try folder.flush()
    }

    /// Takes the lock, which is held until it is destroyed or the process ends.
    /// - Parameters:
    ///   - milliseconds: How long to wait for another process to release it. A process that holds it next has as long.
    ///   - interruption: Called during the wait: a signal's name ends the wait, `nil` goes on.
    package func lock(
        within milliseconds: Int32, unless interruption: (_ left: Int32) -> String? = { _ in nil }
    ) throws(RecordError) -> RecordLock {
        try RecordLock(
            folder: try RecordFolder(tree: tree, makes: true), within: milliseconds, unless: interruption)
    }

    private static func name(of gpu: PCIAddress) -> String { "\(gpu).json" }

    /// The file that the next record is written to. Its blocks are allocated already, so that a claim can be undone or
    /// released even when /run is full.
    private static func room(of gpu: PCIAddress) -> String { ".\(gpu).json.room" }
}

/// Why a record, its folder or its lock cannot be used.
package enum RecordError: Error, Hashable, Sendable {
    /// An operation on a file failed.
    case file(operation: String, path: String, errno: Errno)
    /// Somebody other than this program may have made or changed the folder or the file.
    case untrusted(path: String, reason: String)
    /// The content is not a record of this program's.
    case malformed(path: String, reason: String)
    /// Another apertured holds the lock, and the wait for it is over: its command and process ID.
    case locked(by: String)
    /// A signal ended the wait for another apertured, which holds the lock.
    case interrupted(by: String, holder: String)
}

extension RecordError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let operation, let path, let errno):
            "cannot \(operation) \(path): \(errno) (errno \(errno.rawValue))"
                + (isLackOfRoom ? "; make room on that file system first: `df \(RecordStore.folder)` shows it" : "")
        case .untrusted(let path, let reason): "\(path) is not trusted: \(reason)"
        case .malformed(let path, let reason):
            "\(path) is refused: \(reason). Look at the card with `apertured status`; delete the file if it is of no use."
        case .locked(let holder): "another apertured is at work: \(holder)"
        case .interrupted(let signal, let holder):
            "interrupted by \(signal) while another apertured was at work: \(holder)"
        }
    }
}

extension RecordError {
    /// Whether the file system had no room for a file, or for its name.
    package var isLackOfRoom: Bool {
        guard case .file(_, _, let errno) = self else { return false }
        return errno == .noSpace || errno == .diskQuotaExceeded
    }
}
