package import SystemPackage

/// Why a record, its folder or its lock cannot be used.
package enum RecordError: Error, Hashable, Sendable {
    /// An operation on a file failed.
    case file(operation: String, path: String, errno: Errno)
    /// Somebody other than this program may have made or changed the folder or the file.
    case untrusted(path: String, reason: String)
    /// The content is not a record of this program's.
    case malformed(path: String, reason: String)
    /// Another apertured holds the lock, and the wait for it is over: its command and process ID.
    case locked(by: String)
    /// A signal ended the wait for another apertured, which holds the lock.
    case interrupted(by: String, holder: String)
}

extension RecordError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let operation, let path, let errno):
            "cannot \(operation) \(path): \(errno) (errno \(errno.rawValue))"
                + (isLackOfRoom ? "; make room on that file system first: `df \(RecordStore.folder)` shows it" : "")
        case .untrusted(let path, let reason): "\(path) is not trusted: \(reason)"
        case .malformed(let path, let reason):
            "\(path) is refused: \(reason). Look at the card with `apertured status`; delete the file if it is of no use."
        case .locked(let holder): "another apertured is at work: \(holder)"
        case .interrupted(let signal, let holder):
            "interrupted by \(signal) while another apertured was at work: \(holder)"
        }
    }
}

extension RecordError {
    /// Whether the file system had no room for a file, or for its name.
    package var isLackOfRoom: Bool {
        guard case .file(_, _, let errno) = self else { return false }
        return errno == .noSpace || errno == .diskQuotaExceeded
    }
}
