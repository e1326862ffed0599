internal import Aperture
internal import Guard
internal import KernelFiles

/// Claims GPUs and guards them: one as its own unit's guard does, or several in one process.
struct GuardVerb: Verb {
    var addresses: [PCIAddress]
    var onStop: StopPolicy?
    var verbose = false
    var locking = Locking()
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let address = addresses.first, addresses.count == 1, onStop == nil {
            return try GuardCard(address: address, verbose: verbose, locking: locking, tree: tree).run()
        }
        try GuardCards(
            addresses: addresses, onStop: onStop ?? .release, verbose: verbose, locking: locking, tree: tree
        ).run()
    }
}
