package import Aperture
internal import Glibc
package import KernelFiles
internal import SystemPackage

/// What makes a process the one guard of a card: held for as long as the guard runs, and released by the kernel when its
/// process ends, however that ends.
///
/// It is no ``RecordLock``: that one is for a change of the machine, and short. A file of its own for each card, with a lock
/// of its open file description (fcntl(2), `F_OFD_SETLK`), which also keeps two guards of one process apart.
package struct GuardLock: ~Copyable {
    /// `F_OFD_GETLK` and `F_OFD_SETLK` of <linux/fcntl.h>, which Swift does not import.
    private static let getOpenLock: CInt = 36
    private static let setOpenLock: CInt = 37

    /// How often to open the file again that another guard has removed as it ended.
    private static let mostTries = 100

    private let folder: RecordFolder
    private let name: String
    private let file: FileDescriptor

    /// Takes the lock of a card, without waiting.
    /// - Parameter name: Who takes it, for the message to others: a unit's name or a command, and a process ID.
    /// - Throws: ``RecordError/locked(by:)`` with the name of the guard that has it.
    package init(of gpu: PCIAddress, in tree: FileTree, as name: String) throws(RecordError) {
        try self.init("\(gpu)", in: tree, as: name)
    }

    /// Takes the lock of the process that guards several cards, and whose signs of life others can see.
    package init(ofJointGuardIn tree: FileTree, as name: String) throws(RecordError) {
        try self.init(Self.joint, in: tree, as: name)
    }

    private static let joint = "joint"

    private init(_ subject: String, in tree: FileTree, as name: String) throws(RecordError) {
        let folder = try RecordFolder(tree: tree, makes: true)
        let file = try Self.open("\(subject).guard", in: folder, as: name)
        self.folder = folder
        self.name = "\(subject).guard"
        self.file = file
    }

    deinit {
        // A file that stays says nothing: nobody has its lock. While the lock is held the name can only be this file's.
        try? folder.remove(name)
        // Closing the file releases the lock.
        try? file.close()
    }

    private static func open(
        _ name: String, in folder: borrowing RecordFolder, as holder: String
    ) throws(RecordError) -> FileDescriptor {
        let path = "\(folder.path)/\(name)"
        for _ in 0..<mostTries {
            guard let file = try folder.open(name, O_RDWR | O_CREAT) else { continue }
            do throws(RecordError) {
                try take(file, path)
                // The guard before this one may have removed the file between the opening and the lock.
                var status = stat()
                if unsafe fstat(file.rawValue, &status) == 0, status.st_nlink > 0 {
                    try sign(file, path, holder)
                    return file
                }
            } catch {
                // The reason to give up is the one that counts.
                try? file.close()
                throw error
            }
            // Nothing was written to it.
            try? file.close()
        }
        throw .file(operation: "open", path: path, errno: .resourceTemporarilyUnavailable)
    }

    /// Shows that the guard is alive: the file's time of modification.
    package func beat() {
        // A sign that is not given shows as one that is missing.
        _ = futimens(file.rawValue, nil)
    }

    /// When the guard of several cards gave its last sign of life, in seconds since 1970-01-01T00:00:00Z; `nil` when there is
    /// no such guard.
    package static func lastBeat(in tree: FileTree) -> Int64? {
        guard isHeld(joint, in: tree) else { return nil }
        return tree.modificationTime("\(RecordStore.folder)/\(joint).guard")
    }

    /// Whether a guard has the card. False where that cannot be found out: the caller then goes on as if it were alone, and
    /// the lock of the records decides.
    package static func isHeld(for gpu: PCIAddress, in tree: FileTree) -> Bool { isHeld("\(gpu)", in: tree) }

    /// The name that the card's guard has written; `nil` when there is none, or it cannot be read.
    package static func holder(of gpu: PCIAddress, in tree: FileTree) -> String? {
        do throws(RecordError) {
            let folder = try RecordFolder(tree: tree, makes: false)
            guard let file = try folder.open("\(gpu).guard", O_RDONLY) else { return nil }
            defer {
                // It was only read.
                try? file.close()
            }
            return name(in: file)
        } catch {
            return nil
        }
    }

    private static func isHeld(_ subject: String, in tree: FileTree) -> Bool {
        guard tree.exists("\(RecordStore.folder)/\(subject).guard") else { return false }
        do throws(RecordError) {
            let folder = try RecordFolder(tree: tree, makes: false)
            guard let file = try folder.open("\(subject).guard", O_RDWR) else { return false }
            defer {
                // It was only looked at.
                try? file.close()
            }
            // Asked, and not taken: a guard that begins at this moment must not find it held.
            var request = request()
            guard unsafe fcntl(file.rawValue, getOpenLock, &request) == 0 else { return false }
            return request.l_type != Int16(F_UNLCK)
        } catch {
            return false
        }
    }

    private static func request() -> flock {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        return request
    }

    private static func take(_ file: FileDescriptor, _ path: String) throws(RecordError) {
        var request = request()
        guard unsafe fcntl(file.rawValue, setOpenLock, &request) != 0 else { return }
        guard errno == EAGAIN || errno == EACCES else {
            throw .file(operation: "lock", path: path, errno: Errno(rawValue: errno))
        }
        throw .locked(by: name(in: file) ?? "another guard")
    }

    private static func sign(_ file: FileDescriptor, _ path: String, _ name: String) throws(RecordError) {
        do {
            let bytes = Array("\(name)\n".utf8)
            guard ftruncate(file.rawValue, 0) == 0 else { throw Errno(rawValue: errno) }
            try file.writeAll(toAbsoluteOffset: 0, bytes)
        } catch {
            throw .file(operation: "write", path: path, errno: error as? Errno ?? .ioError)
        }
    }

    /// The name that the guard has written; it may not have come so far yet.
    private static func name(in file: FileDescriptor) -> String? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
            count = max(0, unsafe pread(file.rawValue, buffer.baseAddress, buffer.count, 0))
        }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
    }
}
