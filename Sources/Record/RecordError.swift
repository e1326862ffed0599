package import SystemPackage

/// A record, its folder or its lock that cannot be used.
package enum RecordError: Error, Hashable, Sendable {
    /// An operation on a file failed.
    case file(operation: String, path: String, errno: Errno)
    /// The folder or file is not as only this program would have made it.
    case untrusted(path: String, reason: String)
    /// The content cannot be believed.
    case malformed(path: String, reason: String)
    /// Another claim or release is going on.
    case locked(by: String)
    /// The wait for another one was ended by a signal.
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
    /// Whether there was no room for a file, or for its name.
    package var isLackOfRoom: Bool {
        guard case .file(_, _, let errno) = self else { return false }
        return errno == .noSpace || errno == .diskQuotaExceeded
    }
}
