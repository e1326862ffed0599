package import Guard
package import Reclaim

/// The program's exit statuses; thrown by a command that has already said what is the matter.
package enum ExitStatus: Int32, Error, Comparable {
    /// Done, or nothing to do.
    case done = 0
    case failed = 1
    case usage = 2
    /// Refused; nothing was touched.
    case refused = 3
    /// Failed, and something could not be taken back; it was named.
    case notRestored = 4
    /// The guarded GPU was removed; a success to the unit (`SuccessExitStatus=`).
    case gone = 5

    /// The worse of two is the greater.
    package static func < (left: ExitStatus, right: ExitStatus) -> Bool { left.rawValue < right.rawValue }

    /// `nil` for a guard that was told to stop.
    package init?(_ end: GuardEnd) {
        switch end {
        case .stopped: return nil
        case .gone: self = .gone
        case .refused: self = .refused
        case .failed: self = .failed
        case .notRestored: self = .notRestored
        }
    }

    /// What came of going back to a prior state.
    package init(_ restoration: Restoration) {
        self =
            if restoration.isComplete {
                .done
            } else if restoration.performed.isEmpty, !restoration.refusals.isEmpty {
                .refused
            } else if restoration.failures.contains(where: \.isStuck) {
                // The write may still go through, and then the way back goes on.
                .failed
            } else {
                .notRestored
            }
    }
}
