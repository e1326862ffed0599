/// How urgent an entry is, with the numbers of syslog(3): the lower, the more urgent.
package enum Priority: Int, Hashable, Sendable, CaseIterable {
    case emergency = 0
    case alert
    case critical
    case error
    case warning
    case notice
    case info
    case debug

    /// The prefix of a plain line; empty for notice and below.
    package var label: String {
        switch self {
        case .emergency, .alert, .critical, .error: "error: "
        case .warning: "warning: "
        case .notice, .info, .debug: ""
        }
    }
}

extension Priority: Comparable {
    /// The smaller priority is the more urgent one, as with the numbers.
    package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}
