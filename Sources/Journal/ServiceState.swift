package import SystemPackage

/// What a service tells its manager (sd_notify(3)).
package enum ServiceState: Hashable, Sendable {
    /// The start, or a reload, is finished.
    case ready
    /// The configuration is being read again; `ready` ends it. The time is of CLOCK_MONOTONIC, in microseconds
    /// (`Type=notify-reload` compares it; a manager before 253 does not look).
    case reloading(at: UInt64)
    case stopping
    /// A line for people, shown by `systemctl status`. Line feeds become spaces, as the protocol has no other way.
    case status(String)
    /// The watchdog's sign of life.
    case watchdog
    /// Why the service fails.
    case failure(Errno)
    /// The start, stop or watchdog limit is reached this many microseconds from now at the earliest.
    case extendTimeout(UInt64)

    var assignments: String {
        switch self {
        case .ready: "READY=1"
        case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=" + String(text.map { $0.isNewline ? " " : $0 })
        case .watchdog: "WATCHDOG=1"
        case .failure(let errno): "ERRNO=\(errno.rawValue)"
        case .extendTimeout(let microseconds): "EXTEND_TIMEOUT_USEC=\(microseconds)"
        }
    }
}
