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
    package let root: FilePath
    /// The folder that no link may lead out of; `nil` on the machine itself, where a plain open has to do: a plan opens a
    /// hundred files.
    package let enclosure: String?

    package init(root: FilePath = "/") {
        self.root = root
        enclosure = root == "/" || root.isEmpty ? nil : root.string
    }

    /// Whether this is the machine itself.
    package var isMachine: Bool { enclosure == nil }

    /// Opens a file that is there. Below a root every link is taken as if that were `/`: see clinux_open.h.
    /// - Parameter flags: `O_…`; closed on exec in any case.
    package func open(_ path: String, _ flags: CInt) throws(Errno) -> FileDescriptor {
        let opened = unsafe clinux_open(enclosure, path, flags)
        guard opened >= 0 else { throw Errno(rawValue: -opened) }
        return FileDescriptor(rawValue: opened)
    }

    // MARK: - Reading

    /// The whole file.
    package func bytes(_ path: String) throws(FileTreeError) -> [UInt8] {
        // No attribute of sysfs is a link.
        let isAttribute = path.hasPrefix("/sys/")
        return try read(path, isAttribute ? O_NOFOLLOW : 0) { try readToEnd($0, isAttribute: isAttribute) }
    }

    /// The whole of a file that people write. Only a regular one is read: a FIFO would wait for ever, and a device may do
    /// something.
    package func regularBytes(_ path: String) throws(FileTreeError) -> [UInt8] {
        try read(path, O_NONBLOCK) { file in
            var status = stat()
            guard unsafe fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                var error = FileTreeError(.read, path, isFolder ? .isDirectory : .invalidArgument)
                error.detail = "it is no regular file"
                throw error
            }
            return try readToEnd(file, isAttribute: false)
        }
    }

    /// Reads a file piece by piece, of any size, and hands on one line after the other, without their line feeds.
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

    /// Opens the file for reading, for as long as the work lasts.
    /// - Parameter flags: Beside `O_RDONLY`.
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

    /// As ``bytes(_:)``; `nil` when the file is not there.
    package func bytesIfPresent(_ path: String) throws(FileTreeError) -> [UInt8]? {
        do {
            return try bytes(path)
        } catch  where error.isAbsence {
            return nil
        }
    }

    /// The file's text without the white space around it.
    package func text(_ path: String) throws(FileTreeError) -> String {
        let bytes = try bytes(path)
        let isSpace = { (byte: UInt8) in byte == 0x20 || (0x09...0x0d).contains(byte) }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    /// As ``text(_:)``; `nil` when the file is not there.
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
        try linkTarget(path).flatMap { $0.split(separator: "/").last.map(String.init) }
    }

    /// A symbolic link's target as it stands; `nil` when there is no such link.
    package func linkTarget(_ path: String) throws(FileTreeError) -> String? {
        do throws(Errno) {
            // The machine's links are many where processes' descriptors are looked through.
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

    /// As ``list(_:)``; empty when the directory is not there.
    package func listIfPresent(_ path: String) throws(FileTreeError) -> [String] {
        do {
            return try list(path)
        } catch  where error.isAbsence {
            return []
        }
    }

    /// Whether the path leads to something.
    package func exists(_ path: String) -> Bool { identity(path) != nil }

    /// The inode number of what the path leads to; `nil` when that is nothing.
    package func identity(_ path: String) -> UInt64? {
        // Whatever keeps it from being opened, it cannot be told from nothing.
        guard let file = try? open(path, CLINUX_O_PATH) else { return nil }
        defer {
            // Nothing was done through it.
            try? file.close()
        }
        var status = stat()
        return unsafe fstat(file.rawValue, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// A sysfs attribute is given whole to the first read that has room for it (`kernfs_fop_read_iter()`), so a short
    /// read is its end. A procfs file comes in pieces, and only an empty one is.
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
