/// Why the service manager did not do something.
package enum UnitError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The job failed, with systemctl's exit status.
    case failed(status: Int32)
    /// The job was not done within so many seconds.
    case late(seconds: Int32)
    /// There is no service manager to ask, or systemctl could not be run.
    case unreachable(String)

    package var description: String {
        switch self {
        case .failed(let status): "systemctl ended with status \(status)"
        case .late(let seconds): "not done within \(seconds) seconds"
        case .unreachable(let reason): reason
        }
    }
}
