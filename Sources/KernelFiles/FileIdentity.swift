internal import CLinux
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
internal import SystemPackage

/// What tells a file from every other, whatever it is called.
package enum FileIdentity: Hashable, Sendable {
    /// A character device, by its number: however many nodes it has, it is one.
    case device(UInt64)
    /// Any other file, by the device that it is on and its inode number.
    case file(device: UInt64, inode: UInt64)
}

extension FileTree {
    /// What the path leads to; `nil` when that is nothing, or cannot be told from nothing.
    package func fileIdentity(_ path: String) -> FileIdentity? {
        guard let file = try? open(path, CLINUX_O_PATH) else { return nil }
        defer {
            // Nothing was done through it.
            try? file.close()
        }
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { return nil }
        if status.st_mode & S_IFMT == S_IFCHR { return .device(clinux_device(status.st_rdev)) }
        return .file(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}
