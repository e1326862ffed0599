package import KernelFiles

/// Why a snapshot could not be read. Without one nothing can be planned.
package enum SnapshotError: Error, Sendable {
    /// A file could not be read.
    case unreadable(FileTreeError)
    /// A file's contents make no sense.
    case malformed(path: String, reason: String)
    /// A device that is to be written to exists, and could not be read.
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
