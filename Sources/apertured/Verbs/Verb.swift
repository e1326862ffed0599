internal import Aperture
internal import CLinux
internal import Glibc
package import KernelFiles
internal import Reclaim
internal import Record

/// What a command does, from plain values. ``Commands/`` has how a person writes it.
package protocol Verb: Sendable {
    /// The machine, or the folder that stands for it.
    var tree: FileTree { get }

    /// Does it. Every reason to throw has been reported.
    func run() throws(ExitStatus)
}

extension Verb {
    /// For a verb that only reads; ``Locking`` has the host of one that writes.
    var host: MachineHost { MachineHost(tree: tree) }
}

/// How long to wait for other runs of apertured, and for the kernel.
struct Locking {
    /// Seconds to wait for another run, and for each that is waiting already.
    var wait = 10
    /// Seconds that one write may take in the kernel.
    var writeDeadline = 30

    static let waits = 0...3600
    static let writeDeadlines = 1...3600

    var lockMilliseconds: Int32 { Int32(wait) * 1000 }

    /// - Parameter interruptions: The signals that end the command.
    func host(_ tree: FileTree, interruptions: [CInt] = WritingVerb.interruptions) -> MachineHost {
        MachineHost(tree: tree, writeDeadline: Int32(writeDeadline) * 1000, interruptions: interruptions)
    }
}

/// What all commands that write have in common: a signal ends them only between two steps, they need root, and only one
/// runs at a time.
enum WritingVerb {
    /// The signals that end such a command, before its next step.
    static let interruptions = [SIGHUP, SIGINT, SIGTERM]

    /// Holds these signals back and checks for root. Call it before anything else.
    /// - Returns: Why the command must not begin; `nil` to go on.
    static func begin(_ tree: FileTree) -> Refusal? {
        clinux_hold_interruptions()
        guard tree.isMachine, geteuid() != 0 else { return nil }
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
