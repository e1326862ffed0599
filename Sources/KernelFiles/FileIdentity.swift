internal import CLinux
#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
internal import SystemPackage

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
