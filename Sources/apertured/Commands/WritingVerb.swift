internal import Aperture
internal import CLinux
internal import Glibc
internal import Record
internal import Reclaim
internal import KernelFiles

/// What every verb that writes has in common: it is not cut short by its caller, it is root's, and one is at work at a time.
enum WritingVerb {
    /// The signals that end such a verb, at its next step.
    static let interruptions = [SIGHUP, SIGINT, SIGTERM]

    /// To be called before anything else.
    /// - Returns: Why nothing is begun; `nil` to go on.
    static func begin(_ machine: RootOption) -> Refusal? {
        clinux_hold_interruptions()
        guard machine.tree.isMachine, geteuid() != 0 else { return nil }
        return Refusal(
            .notRoot, "Drivers and devices can be changed by root alone, and this is user \(geteuid()).",
            remedy: "Run it as root, with sudo for example.")
    }

    /// What is said when another one is at work: nothing was touched.
    static func refusal(_ error: ReclaimError) -> Refusal? {
        guard case .record(.locked(let holder)) = error else { return nil }
        return Refusal(
            .locked, "Another apertured is at work: \(holder).",
            remedy: "Try again when it has finished, or wait for it with --lock-wait.")
    }
}
