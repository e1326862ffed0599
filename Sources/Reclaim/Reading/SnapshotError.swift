package import KernelFiles

/// A snapshot that could not be read: without it nothing can be planned.
package enum SnapshotError: Error, Sendable {
    case unreadable(FileTreeError)
    /// A file was read and its content makes no sense.
    case malformed(path: String, reason: String)
    /// A device that is to be written to is there and could not be read.
    case device(String, reason: String)
}

extension SnapshotError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .malformed(let path, let reason): "\(path): \(reason)"
        case .device(let name, let reason): "\(name): \(reason)"
        }
    }
}
