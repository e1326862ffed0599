package import SystemPackage

/// A state that a service reports to its manager (sd_notify(3)).
package enum ServiceState: Hashable, Sendable {
    /// The start, or a reload, is finished.
    case ready
    /// A reload has begun; `ready` ends it. The time is of CLOCK_MONOTONIC, in microseconds (`Type=notify-reload` uses
    /// it; a manager before 253 ignores it).
    case reloading(at: UInt64)
    /// The service is about to end.
    case stopping
    /// A line for people, shown by `systemctl status`. Line feeds become spaces, because the protocol cannot carry
    /// them. A long line is cut: the manager drops a whole datagram of 4096 bytes or more (`NOTIFY_BUFFER_MAX`).
    case status(String)
    /// The service is alive; restarts the watchdog's time.
    case watchdog
    /// The service fails with this error.
    case failure(Errno)
    /// The start, stop or watchdog timeout comes this many microseconds from now at the earliest.
    case extendTimeout(UInt64)

    var assignments: String {
        switch self {
        case .ready: "READY=1"
        case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
        case .stopping: "STOPPING=1"
        case .status(let text): "STATUS=" + Self.line(text)
        case .watchdog: "WATCHDOG=1"
        case .failure(let errno): "ERRNO=\(errno.rawValue)"
        case .extendTimeout(let microseconds): "EXTEND_TIMEOUT_USEC=\(microseconds)"
        }
    }

    private static let longest = 1024

    private static func line(_ text: String) -> String {
        var line = ""
        var length = 0
        for character in text {
            length += character.utf8.count
            guard length <= longest else { return line + "…" }
            line.append(character.isNewline ? " " : character)
        }
        return line
    }
}
