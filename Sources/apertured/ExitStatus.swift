package import Guard
package import Reclaim

/// The program's exit statuses. A command throws one after it has reported the reason.
package enum ExitStatus: Int32, Error, Comparable, CaseIterable {
    /// Done, or nothing to do.
    case done = 0
    /// Failed; everything is as it was, unless a write is stuck in the kernel.
    case failed = 1
    /// The arguments make no sense.
    case usage = 2
    /// Refused; nothing was written.
    case refused = 3
    /// Failed, and something could not be undone. It was reported.
    case notRestored = 4
    /// The guarded GPU was removed. The unit counts this as a success (`SuccessExitStatus=`).
    case gone = 5

    /// What it means, for the help and the manual.
    package var meaning: String {
        switch self {
        case .done: "Done, or nothing to do."
        case .failed: "Failed; everything is as it was, unless a write still hangs in the kernel."
        case .usage: "Usage: the arguments make no sense."
        case .refused: "Refused; nothing was written."
        case .notRestored: "Failed, and something could not be undone; it was reported."
        case .gone: "guard: the GPU was removed."
        }
    }

    /// The worse status is the greater one.
    package static func < (left: ExitStatus, right: ExitStatus) -> Bool { left.rawValue < right.rawValue }

    /// The status of a guard's end; `nil` for a guard that a signal ended.
    package init?(_ end: GuardEnd) {
        switch end {
        case .stopped: return nil
        case .gone: self = .gone
        case .refused: self = .refused
        case .failed: self = .failed
        case .notRestored: self = .notRestored
        }
    }

    /// The status of a release, a recovery or an undo.
    package init(_ restoration: Restoration) {
        self =
            if restoration.isComplete {
                .done
            } else if restoration.performed.isEmpty, !restoration.refusals.isEmpty {
                .refused
            } else if restoration.failures.contains(where: \.isStuck) {
                // The write may still return, and then `apertured recover` goes on.
                .failed
            } else {
                .notRestored
            }
    }
}
