internal import Glibc
package import KernelFiles
internal import SystemPackage

/// `/run/apertured`, or a folder in it, opened and checked: a folder, not a link, that only its owner can read and write.
/// Others may pass through `/run/apertured` itself, to what is published in it.
package struct RecordFolder: ~Copyable {
    private let descriptor: FileDescriptor
    /// The folder's path, for messages.
    let path: String

    /// Opens the folder.
    /// - Parameters:
    ///   - name: That of a folder in `/run/apertured`; `nil` for that folder itself.
    ///   - makes: Whether to make what is missing.
    package init(tree: FileTree, _ name: String? = nil, makes: Bool) throws(RecordError) {
        path = name.map { "\(RecordStore.folder)/\($0)" } ?? RecordStore.folder
        descriptor = try Self.enter(tree, name, path, makes: makes)
    }

    private static func enter(
        _ tree: FileTree, _ name: String?, _ path: String, makes: Bool
    ) throws(RecordError) -> FileDescriptor {
        let outer = try enter(tree, makes: makes)
        guard let name else { return outer }
        defer {
            // Nothing was written through it.
            try? outer.close()
        }
        return try enter(name, in: outer, path, forbidden: 0o077, makes: makes)
    }

    private static func enter(_ tree: FileTree, makes: Bool) throws(RecordError) -> FileDescriptor {
        let place = FilePath(RecordStore.folder)
        let parent = place.removingLastComponent()
        // The parent exists on every machine; below another root it may be missing.
        if makes, unsafe mkdir(tree.root.appending(parent.components).string, 0o755) != 0, errno != EEXIST {
            throw Self.failure("make", RecordStore.folder)
        }
        let run: FileDescriptor
        do {
            run = try tree.open(parent.string, O_RDONLY | O_DIRECTORY)
        } catch {
            throw .file(operation: "open", path: RecordStore.folder, errno: error)
        }
        defer {
            // Nothing was written through it.
            try? run.close()
        }
        return try enter(
            place.lastComponent?.string ?? "", in: run, RecordStore.folder, forbidden: 0o066, makes: makes)
    }

    private static func enter(
        _ name: String, in parent: FileDescriptor, _ path: String, forbidden: mode_t, makes: Bool
    ) throws(RecordError) -> FileDescriptor {
        if makes, unsafe mkdirat(parent.rawValue, name, 0o700) != 0, errno != EEXIST {
            throw Self.failure("make", path)
        }
        let opened = unsafe openat(parent.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw Self.failure("open", path) }
        let descriptor = FileDescriptor(rawValue: opened)
        do throws(RecordError) {
            var status = stat()
            guard unsafe fstat(opened, &status) == 0 else { throw Self.failure("examine", path) }
            // A kubelet makes /run/apertured for a pod, and lets everybody list it. Nobody else can have written to it.
            let excess = status.st_mode & forbidden
            if makes, path == RecordStore.folder, status.st_uid == geteuid(), excess & 0o022 == 0, excess != 0 {
                status.st_mode &= ~forbidden
                guard fchmod(opened, status.st_mode & 0o7777) == 0 else {
                    throw Self.failure("change the mode of", path)
                }
            }
            try Self.check(status, path, forbidden: forbidden)
            return descriptor
        } catch {
            // The reason to give up is the one that counts.
            try? descriptor.close()
            throw error
        }
    }

    /// Makes a folder in this one that everybody can read, and lets everybody pass through this one, which they still
    /// cannot read. Other programs, and users other than root, read what is published there.
    package func publish(_ name: String) throws(RecordError) {
        let path = "\(path)/\(name)"
        guard unsafe mkdirat(descriptor.rawValue, name, 0o755) == 0 || errno == EEXIST else {
            throw Self.failure("make", path)
        }
        let opened = unsafe openat(descriptor.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw Self.failure("open", path) }
        defer { _ = close(opened) }
        var status = stat()
        guard unsafe fstat(opened, &status) == 0 else { throw Self.failure("examine", path) }
        try Self.check(status, path, forbidden: 0o022)
        // The process's umask does not count.
        guard fchmod(opened, 0o755) == 0 else { throw Self.failure("change the mode of", path) }
        guard fchmod(descriptor.rawValue, 0o711) == 0 else { throw Self.failure("change the mode of", self.path) }
    }

    deinit {
        // Nothing was written through this descriptor itself.
        try? descriptor.close()
    }

    /// Opens a file of the folder, never through a link; `nil` when it is not there, or was removed meanwhile. Throws for
    /// one that is not trusted.
    func open(_ name: String, _ flags: CInt) throws(RecordError) -> FileDescriptor? {
        let opened = unsafe openat(descriptor.rawValue, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        if opened < 0 {
            if errno == ENOENT { return nil }
            throw Self.failure("open", "\(path)/\(name)")
        }
        let file = FileDescriptor(rawValue: opened)
        do throws(RecordError) {
            var status = stat()
            guard unsafe fstat(opened, &status) == 0 else { throw Self.failure("examine", "\(path)/\(name)") }
            if status.st_nlink == 0 {
                // Nothing was written to it.
                try? file.close()
                return nil
            }
            try Self.check(status, "\(path)/\(name)", forbidden: 0o077)
            guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
                throw .untrusted(path: "\(path)/\(name)", reason: "it is not a regular file, or has another name too")
            }
            return file
        } catch {
            // The reason to give up is the one that counts.
            try? file.close()
            throw error
        }
    }

    /// The whole file; `nil` when there is none. Throws for one that is not trusted.
    package func read(_ name: String, atMost limit: Int) throws(RecordError) -> [UInt8]? {
        guard let file = try open(name, O_RDONLY) else { return nil }
        defer {
            // It was only read.
            try? file.close()
        }
        var bytes: [UInt8] = []
        do {
            while bytes.count <= limit {
                let piece = try unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                    count = try unsafe file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if piece.isEmpty { return bytes }
                bytes += piece
            }
        } catch {
            throw .file(operation: "read", path: "\(path)/\(name)", errno: error as? Errno ?? .ioError)
        }
        throw .untrusted(path: "\(path)/\(name)", reason: "it is larger than \(limit) bytes")
    }

    /// Writes a file and flushes it to its device. The file may exist, with reserved room. A file that could not be
    /// written is removed.
    package func write(_ bytes: [UInt8], to name: String) throws(RecordError) {
        do throws(RecordError) {
            try fill(name, "write") { file in
                try file.writeAll(toAbsoluteOffset: 0, bytes)
                guard ftruncate(file.rawValue, off_t(bytes.count)) == 0 else { throw Errno(rawValue: errno) }
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            // The write's error is the one that counts.
            try? remove(name)
            throw error
        }
    }

    /// Reserves room for a file, in bytes; a file that exists keeps its content.
    func reserve(_ size: Int, for name: String) throws(RecordError) {
        do throws(RecordError) {
            try fill(name, "reserve room for") { file in
                let error = posix_fallocate(file.rawValue, 0, off_t(size))
                guard error == 0 else { throw Errno(rawValue: error) }
            }
        } catch {
            // The reason to give up is the one that counts.
            try? remove(name)
            throw error
        }
    }

    private func fill(
        _ name: String, _ operation: String, _ work: (FileDescriptor) throws -> Void
    ) throws(RecordError) {
        guard let file = try open(name, O_WRONLY | O_CREAT) else { throw Self.failure("make", "\(path)/\(name)") }
        do {
            try work(file)
            try file.close()
        } catch {
            // The first error is the one that counts. A second close is harmless, as no other file was opened in
            // between.
            try? file.close()
            throw .file(operation: operation, path: "\(path)/\(name)", errno: error as? Errno ?? .ioError)
        }
    }

    /// Gives a file another name, in place of the file that has it, and flushes the folder.
    package func rename(_ old: String, to new: String) throws(RecordError) {
        guard unsafe renameat(descriptor.rawValue, old, descriptor.rawValue, new) == 0 else {
            throw Self.failure("rename", "\(path)/\(old)")
        }
        try flush()
    }

    /// Removes a file, which may be gone already.
    package func remove(_ name: String) throws(RecordError) {
        guard unsafe unlinkat(descriptor.rawValue, name, 0) == 0 || errno == ENOENT else {
            throw Self.failure("remove", "\(path)/\(name)")
        }
    }

    func flush() throws(RecordError) {
        guard fsync(descriptor.rawValue) == 0 else { throw Self.failure("flush", path) }
    }

    private static func check(_ status: stat, _ path: String, forbidden: mode_t) throws(RecordError) {
        guard status.st_uid == geteuid() else {
            throw .untrusted(path: path, reason: "it belongs to user \(status.st_uid)")
        }
        guard status.st_mode & forbidden == 0 else {
            throw .untrusted(
                path: path, reason: "others may use it: its mode is \(String(status.st_mode & 0o7777, radix: 8))")
        }
    }

    private static func failure(_ operation: String, _ path: String) -> RecordError {
        .file(operation: operation, path: path, errno: Errno(rawValue: errno))
    }
}
