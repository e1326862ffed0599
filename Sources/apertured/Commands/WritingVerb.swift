internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import Reclaim
internal import Record

/// What all commands that write have in common: a signal ends them only between two steps, they need root, and only one
/// runs at a time.
enum WritingVerb {
    /// The signals that end such a command, before its next step.
    static let interruptions = [SIGHUP, SIGINT, SIGTERM]

    /// Holds these signals back and checks for root. Call it before anything else.
    /// - Returns: Why the command must not begin; `nil` to go on.
    static func begin(_ machine: RootOption) -> Refusal? {
        clinux_hold_interruptions()
        guard machine.tree.isMachine, geteuid() != 0 else { return nil }
        return Refusal(
            .notRoot, "Only root can change drivers and devices, and this is user \(geteuid()).",
            remedy: "Run it as root, for example with sudo.")
    }

    /// The refusal for a lock that another run holds; `nil` for any other error.
    static func refusal(_ error: ReclaimError) -> Refusal? {
        guard case .record(.locked(let holder)) = error else { return nil }
        return Refusal(
            .locked, "Another apertured is at work: \(holder).",
            remedy: "Try again when it has finished, or wait for it with --lock-wait.")
    }
}
