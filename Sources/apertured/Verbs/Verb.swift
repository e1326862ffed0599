internal import Aperture
internal import CLinux
internal import Glibc
internal import Journal
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
    var host: MachineHost {
        var host = MachineHost(tree: tree)
        host.showProgress()
        return host
    }
}

/// How much a verb says of what it does.
enum Detail {
    /// Only errors: `--quiet`.
    case errors
    case steps
    /// Also what helps to find a fault: `--verbose`.
    case all

    init(quiet: Bool, verbose: Bool) { self = quiet ? .errors : verbose ? .all : .steps }

    /// The least urgent messages that are shown.
    var threshold: Priority {
        switch self {
        case .errors: .error
        case .steps: .info
        case .all: .debug
        }
    }
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

    /// The host. What takes long on it is shown at a terminal.
    /// - Parameters:
    ///   - interruptions: The signals that end the command.
    ///   - detail: With errors alone, nothing is shown.
    func host(
        _ tree: FileTree, interruptions: [CInt] = WritingVerb.interruptions, detail: Detail = .steps
    ) -> MachineHost {
        var host = MachineHost(tree: tree, writeDeadline: Int32(writeDeadline) * 1000, interruptions: interruptions)
        if detail != .errors { host.showProgress() }
        return host
    }
}

extension MachineHost {
    /// Shows at a terminal what takes long on this host.
    fileprivate mutating func showProgress() {
        let progress = unsafe Terminal.progress ?? ProgressLine(writeDeadline: writeDeadline)
        unsafe Terminal.progress = progress
        tick = progress.tick
        whileLocked = progress.tickLocked
    }
}

/// What all commands that only read have in common.
enum ReadingVerb {
    /// What this process does not see because it is not root's, as a sentence without its full stop; `nil` for root, and
    /// below another root.
    static func whatIsHidden(_ tree: FileTree) -> String? {
        guard tree.isMachine, geteuid() != 0 else { return nil }
        return
            "this is user \(geteuid()), and only root sees what is in the BARs, who has a GPU open, and what apertured "
            + "has claimed: run it as root"
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
            .notRoot, "This must be run as root, and this is user \(geteuid()).",
            remedy:
                "Run it with sudo, for example. Without root, `apertured status` shows the GPUs and their drivers, but "
                + "not what is in their BARs, and `apertured log` shows what the journal lets this user see.")
    }

    /// The refusal for a lock that another run holds; `nil` for any other error.
    static func refusal(_ error: ReclaimError) -> Refusal? {
        guard case .record(.locked(let holder)) = error else { return nil }
        return Refusal(
            .locked, "Another apertured is at work: \(holder).",
            remedy: "Try again when it has finished, or wait for it with --lock-wait.")
    }
}
