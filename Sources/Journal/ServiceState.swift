package import SystemPackage

/// What a service tells its manager (sd_notify(3)).
package enum ServiceState: Hashable, Sendable {
    /// The start, or a reload, is finished.
    case ready
    /// The configuration is being read again; `ready` ends it. The time is of CLOCK_MONOTONIC, in microseconds
    /// (`Type=notify-reload` compares it; a manager before 253 does not look).
    case reloading(at: UInt64)
    case stopping
    /// A line for people, shown by `systemctl status`. Line feeds become spaces, as the protocol has no other way; a long
    /// one is cut: the manager drops a datagram of 4096 bytes or more, with all that it holds (`NOTIFY_BUFFER_MAX`).
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
