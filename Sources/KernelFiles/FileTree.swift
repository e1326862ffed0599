internal import CLinux

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
package import SystemPackage

/// The kernel's files below one root: `/` on a machine, a folder holding `sys`, `proc` and `dev` in a test.
///
/// Paths are the kernel's own (`/sys/…`); every error names them so.
package struct FileTree: Sendable {
    /// What a path of the kernel is below: `/` on a machine.
    package let root: FilePath
    /// The root as text, out of which no link may lead; `nil` on the machine itself, where a plain open is enough, and
    /// faster: a plan opens a hundred files.
    package let enclosure: String?
    /// What notes each read, for a report; `nil` otherwise.
    package let log: ReadLog?

    /// The files below a root; an empty path is the machine itself.
    package init(root: FilePath = "/") {
        self.init(root: root, log: nil)
    }

    /// - Parameter log: See ``noting(in:)``.
    init(root: FilePath, log: ReadLog?) {
        self.root = root
        self.log = log
        enclosure = root == "/" || root.isEmpty ? nil : root.string
    }

    /// Whether this is the machine itself.
    package var isMachine: Bool { enclosure == nil }

    /// Whether the tree's `/sys` and `/proc` are this kernel's: those of the machine, or of a root that holds both, such as
    /// the host's in a container (statfs(2), `SYSFS_MAGIC`, `PROC_SUPER_MAGIC`).
    package var isOfKernel: Bool {
        unsafe isMachine
            || clinux_filesystem_type(root.appending("sys").string) == 0x6265_6572
                && clinux_filesystem_type(root.appending("proc").string) == 0x9fa0
    }

    /// The tree that holds `/lib/modules`: this one, or, on the machine itself, the host's root that a container has.
    /// - Parameter hostRoot: See ``HostRoot``.
    package func withModules(of hostRoot: String? = HostRoot.path) -> FileTree {
        guard isMachine, let hostRoot else { return self }
        return FileTree(root: FilePath(hostRoot), log: log)
    }

    /// Opens a file that exists. Below a root every link is resolved as if the root were `/`: see clinux_open.h.
    /// - Parameters:
    ///   - path: The kernel's path.
    ///   - flags: `O_…`; `O_CLOEXEC` is added.
    package func open(_ path: String, _ flags: CInt) throws(Errno) -> FileDescriptor {
        let opened = unsafe clinux_open(enclosure, path, flags)
        guard opened >= 0 else { throw Errno(rawValue: -opened) }
        return FileDescriptor(rawValue: opened)
    }

    // MARK: - Reading

    /// The whole file.
    package func bytes(_ path: String) throws(FileTreeError) -> [UInt8] {
        // sysfs attributes are not links.
        let isAttribute = path.hasPrefix("/sys/")
        return try noted(path, as: ReadLog.Answer.bytes) { () throws(FileTreeError) in
            try read(path, isAttribute ? O_NOFOLLOW : 0) { try readToEnd($0, isAttribute: isAttribute) }
        }
    }

    /// The whole of a file that people write. Only a regular file is read: reading a FIFO could wait for ever, and
    /// reading a device could have effects.
    /// - Parameter limit: The size in bytes above which a file is not read (EFBIG).
    package func regularBytes(_ path: String, atMost limit: Int = .max) throws(FileTreeError) -> [UInt8] {
        try noted(path, as: ReadLog.Answer.bytes) { () throws(FileTreeError) in try plainBytes(path, atMost: limit) }
    }

    private func plainBytes(_ path: String, atMost limit: Int) throws(FileTreeError) -> [UInt8] {
        try read(path, O_NONBLOCK) { file in
            var status = stat()
            guard unsafe fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                var error = FileTreeError(.read, path, isFolder ? .isDirectory : .invalidArgument)
                error.detail = "it is not a regular file"
                throw error
            }
            guard status.st_size <= limit else { throw Errno.fileTooLarge }
            return try readToEnd(file, isAttribute: false)
        }
    }

    /// Reads a file of any size piece by piece, and calls `body` with each line, without its line feed.
    package func forEachLine(_ path: String, _ body: (ArraySlice<UInt8>) -> Void) throws(FileTreeError) {
        try read(path, 0) { file in
            var rest: [UInt8] = []
            while true {
                let piece = try unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                    count = try unsafe file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if piece.isEmpty { break }
                rest += piece
                var start = 0
                while let feed = rest[start...].firstIndex(of: 0x0a) {
                    body(rest[start..<feed])
                    start = feed + 1
                }
                rest.removeFirst(start)
            }
            if !rest.isEmpty { body(rest[...]) }
        }
    }

    /// Opens the file for reading, calls `work` and closes it again.
    /// - Parameters:
    ///   - path: The kernel's path.
    ///   - flags: Flags in addition to `O_RDONLY`.
    ///   - work: Gets the open file.
    private func read<Outcome>(
        _ path: String, _ flags: CInt, _ work: (FileDescriptor) throws -> Outcome
    ) throws(FileTreeError) -> Outcome {
        let file: FileDescriptor
        do throws(Errno) {
            file = try open(path, O_RDONLY | flags)
        } catch {
            throw FileTreeError(.open, path, error)
        }
        defer {
            // It was only read.
            try? file.close()
        }
        do {
            return try work(file)
        } catch {
            throw error as? FileTreeError ?? FileTreeError(.read, path, error as? Errno ?? .ioError)
        }
    }

    /// As ``bytes(_:)``; `nil` when the file does not exist, or its device has gone.
    package func bytesIfPresent(_ path: String) throws(FileTreeError) -> [UInt8]? {
        do {
            return try bytes(path)
        } catch  where error.isAbsence {
            return nil
        }
    }

    /// The file's text without the white space around it; bytes that are not UTF-8 become U+FFFD.
    package func text(_ path: String) throws(FileTreeError) -> String {
        let bytes = try bytes(path)
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    /// As ``text(_:)``; `nil` when the file does not exist, or its device has gone.
    package func textIfPresent(_ path: String) throws(FileTreeError) -> String? {
        do {
            return try text(path)
        } catch  where error.isAbsence {
            return nil
        }
    }

    /// The last component of a symbolic link's target, which is how sysfs names a driver, a group or a device; `nil`
    /// when there is no such link.
    package func linkName(_ path: String) throws(FileTreeError) -> String? {
        guard let target = try linkTarget(path) else { return nil }
        guard let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")) else { return target }
        return String(target[target.utf8.index(after: slash)...])
    }

    /// A symbolic link's target as it is written; `nil` when there is no such link.
    package func linkTarget(_ path: String) throws(FileTreeError) -> String? {
        try noted(path, as: { $0.map(ReadLog.Answer.target) }) { () throws(FileTreeError) in try plainTarget(path) }
    }

    private func plainTarget(_ path: String) throws(FileTreeError) -> String? {
        do throws(Errno) {
            // One call: there are many links where the descriptors of processes are read.
            if isMachine { return try linkTarget(AT_FDCWD, path) }
            let link = try open(path, CLINUX_O_PATH | O_NOFOLLOW)
            defer {
                // Nothing was done through it.
                try? link.close()
            }
            return try linkTarget(link.rawValue, "")
        } catch .invalidArgument {
            return nil
        } catch {
            let error = FileTreeError(.readLink, path, error)
            guard error.isAbsence else { throw error }
            return nil
        }
    }

    /// readlinkat(2).
    private func linkTarget(_ folder: CInt, _ name: String) throws(Errno) -> String {
        let target = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let base = buffer.baseAddress else { return Result<String, Errno>.failure(.noMemory) }
            let length = unsafe readlinkat(folder, name, base, buffer.count)
            guard length >= 0 else { return .failure(Errno(rawValue: errno)) }
            let bytes = unsafe buffer[..<length].map { UInt8(bitPattern: $0) }
            return .success(String(decoding: bytes, as: UTF8.self))
        }
        return try target.get()
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package func list(_ path: String) throws(FileTreeError) -> [String] {
        try noted(path, as: ReadLog.Answer.names) { () throws(FileTreeError) in try names(in: path) }
    }

    private func names(in path: String) throws(FileTreeError) -> [String] {
        let directory = try unsafe openDirectory(path)
        defer { _ = unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private func openDirectory(_ path: String) throws(FileTreeError) -> OpaquePointer {
        if isMachine {
            guard let directory = unsafe opendir(path) else { throw FileTreeError(.list, path, Errno(rawValue: errno)) }
            return unsafe directory
        }
        let folder: FileDescriptor
        do {
            folder = try open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw FileTreeError(.list, path, error)
        }
        guard let directory = unsafe fdopendir(folder.rawValue) else {
            let error = FileTreeError(.list, path, Errno(rawValue: errno))
            // The reason to give up is the one that counts.
            try? folder.close()
            throw error
        }
        return unsafe directory
    }

    /// As ``list(_:)``; empty when the directory does not exist.
    package func listIfPresent(_ path: String) throws(FileTreeError) -> [String] {
        do {
            return try list(path)
        } catch  where error.isAbsence {
            return []
        }
    }

    /// Whether the path leads to a file of any kind; false when it cannot be opened.
    package func exists(_ path: String) -> Bool {
        guard status(path) != nil else { return false }
        log?.note(path, .exists)
        return true
    }

    /// Whether the path leads to a folder; false when it cannot be opened.
    func isFolder(_ path: String) -> Bool { status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    /// The inode number of the file that the path leads to; `nil` when there is none, or it could not be opened.
    package func identity(_ path: String) -> UInt64? { status(path).map { UInt64($0.st_ino) } }

    /// When the content of the file that the path leads to last changed, in seconds since 1970-01-01T00:00:00Z; `nil` when
    /// there is none, or it could not be opened.
    package func modificationTime(_ path: String) -> Int64? { status(path).map { Int64($0.st_mtim.tv_sec) } }

    /// What stat(2) says of the file that the path leads to. A file that cannot be opened cannot be told from one that
    /// does not exist: `nil` for both.
    private func status(_ path: String) -> stat? {
        var status = stat()
        if isMachine { return unsafe stat(path, &status) == 0 ? status : nil }
        guard let file = try? open(path, CLINUX_O_PATH) else { return nil }
        defer {
            // Nothing was done through it.
            try? file.close()
        }
        return unsafe fstat(file.rawValue, &status) == 0 ? status : nil
    }

    /// Reads to the end of a file. The first read with enough room returns a whole sysfs attribute
    /// (`kernfs_fop_read_iter()`), so a short read is its end. A procfs file comes in pieces, and only an empty read is
    /// its end.
    private func readToEnd(_ file: FileDescriptor, isAttribute: Bool) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var room = 4096
        while true {
            let piece = try unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                count = try unsafe file.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
            if piece.isEmpty { return bytes }
            if bytes.isEmpty { bytes = piece } else { bytes += piece }
            if isAttribute, piece.count < room { return bytes }
            room = min(room * 2, 1 << 20)
        }
    }
}

/// What shows that a file is the one that was read before: it changes with each write and each replacement.
package struct FileStamp: Hashable, Sendable {
    /// The inode number.
    let inode: UInt64
    /// In bytes.
    let size: Int
    /// The time of the last change of its contents, in nanoseconds since 1970.
    let time: Int
}

extension FileTree {
    /// The size in bytes of the file that the path leads to; `nil` when there is none, or it could not be opened.
    package func size(_ path: String) -> Int? { status(path).map { Int($0.st_size) } }

    /// The stamp of the file that the path leads to; `nil` when there is none, or it could not be opened.
    package func stamp(_ path: String) -> FileStamp? {
        status(path).map {
            FileStamp(
                inode: UInt64($0.st_ino), size: Int($0.st_size),
                time: $0.st_mtim.tv_sec * 1_000_000_000 + $0.st_mtim.tv_nsec)
        }
    }
}

/// What identifies a file, whatever its name.
package enum FileIdentity: Hashable, Sendable {
    /// A character device, by its number (see clinux_devices.h): all of its nodes have the same.
    case device(UInt64)
    /// Any other file, by the number of the device that it is on and its inode number.
    case file(device: UInt64, inode: UInt64)
}

extension FileTree {
    /// The identity of the file that the path leads to; `nil` when there is none, or it could not be opened.
    package func fileIdentity(_ path: String) -> FileIdentity? {
        guard let status = status(path) else { return nil }
        if status.st_mode & S_IFMT == S_IFCHR { return .device(clinux_device(status.st_rdev)) }
        return .file(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}
