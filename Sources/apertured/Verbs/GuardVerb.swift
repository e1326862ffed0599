internal import Aperture
internal import Guard
internal import Journal
internal import KernelFiles

/// Claims GPUs and guards them: one as its own unit's guard does, or several in one process.
struct GuardVerb: Verb {
    var addresses: [PCIAddress]
    var onStop: StopPolicy?
    var verbose = false
    var log = LogChoice.auto
    var locking = Locking()
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let address = addresses.first, addresses.count == 1, onStop == nil {
            return try GuardCard(address: address, verbose: verbose, log: log, locking: locking, tree: tree).run()
        }
        try GuardCards(
            addresses: addresses, onStop: onStop ?? .release, verbose: verbose, log: log, locking: locking, tree: tree
        ).run()
    }
}

/// Where a guard's log goes.
enum LogChoice: String, CaseIterable {
    /// To the journal, or to the standard error: see ``LogDestination/choose(wantsJournal:hasSocket:standardError:environment:)``.
    case auto
    /// One JSON object a line to the standard output.
    case json

    /// The log.
    func log(_ threshold: Priority) -> Log {
        switch self {
        case .auto: Log.forProcess(threshold: threshold)
        case .json: Log.json(threshold: threshold)
        }
    }
}
