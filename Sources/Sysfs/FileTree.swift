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
    /// What stands before every path: empty on the machine itself. Paths are put together as text: swift-system's own
    /// way takes several times as long, and a plan opens a hundred files.
    private let prefix: String

    package init(root: FilePath = "/") {
        self.root = root
        prefix = root == "/" ? "" : root.string
    }

    /// Whether this is the machine itself.
    package var isMachine: Bool { prefix.isEmpty }

    /// Where one of the kernel's paths really lies.
    package func locate(_ path: String) -> String { isMachine ? path : prefix + path }

    // MARK: - Reading

    /// The whole file.
    package func bytes(_ path: String) throws(FileTreeError) -> [UInt8] {
        do {
            let file = try unsafe locate(path).withCString {
                try unsafe FileDescriptor.open($0, .readOnly, options: .closeOnExec)
            }
            do {
                let bytes = try readToEnd(file, isAttribute: path.hasPrefix("/sys/"))
                try file.close()
                return bytes
            } catch {
                // The read's error is the one that counts.
                try? file.close()
                throw FileTreeError(.read, path, error as? Errno ?? .ioError)
            }
        } catch let error as FileTreeError {
            throw error
        } catch {
            throw FileTreeError(.open, path, error as? Errno ?? .ioError)
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
        let target = unsafe locate(path).withCString { name in
            unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
                guard let base = buffer.baseAddress else { return Result<String, Errno>.failure(.noMemory) }
                let length = unsafe readlink(name, base, buffer.count)
                guard length >= 0 else { return .failure(Errno(rawValue: errno)) }
                let bytes = unsafe buffer[..<length].map { UInt8(bitPattern: $0) }
                return .success(String(decoding: bytes, as: UTF8.self))
            }
        }
        switch target {
        case .success(let target): return target
        case .failure(.invalidArgument): return nil
        case .failure(let errno):
            let error = FileTreeError(.readLink, path, errno)
            guard error.isAbsence else { throw error }
            return nil
        }
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package func list(_ path: String) throws(FileTreeError) -> [String] {
        let names = unsafe locate(path).withCString { name in
            guard let directory = unsafe opendir(name) else {
                return Result<[String], Errno>.failure(Errno(rawValue: errno))
            }
            defer { _ = unsafe closedir(directory) }
            var names: [String] = []
            while let entry = unsafe readdir(directory) {
                let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            return .success(names.sorted())
        }
        switch names {
        case .success(let names): return names
        case .failure(let errno): throw FileTreeError(.list, path, errno)
        }
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
    package func exists(_ path: String) -> Bool {
        unsafe locate(path).withCString { unsafe access($0, F_OK) } == 0
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
