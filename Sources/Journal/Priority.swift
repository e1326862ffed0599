/// How much an entry matters, as syslog counts it (syslog(3)): the lower the number, the more.
package enum Priority: Int, Hashable, Sendable, CaseIterable {
    case emergency = 0
    case alert
    case critical
    case error
    case warning
    case notice
    case info
    case debug

    /// What a plain line begins with; nothing for what needs no one's attention.
    package var label: String {
        switch self {
        case .emergency, .alert, .critical, .error: "error: "
        case .warning: "warning: "
        case .notice, .info, .debug: ""
        }
    }
}

extension Priority: Comparable {
    /// Less is more urgent, as with the numbers.
    package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}
