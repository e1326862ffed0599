package import Aperture
package import Sysfs

/// A snapshot that could not be read: without it nothing can be planned.
package enum SnapshotError: Error, Sendable {
    case unreadable(FileTreeError)
    /// A file was read and its content makes no sense.
    case malformed(path: String, reason: String)
    /// A function that is to be written to is there and could not be read.
    case function(PCIAddress, reason: String)
}

extension SnapshotError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .malformed(let path, let reason): "\(path): \(reason)"
        case .function(let address, let reason): "\(address): \(reason)"
        }
    }
}
