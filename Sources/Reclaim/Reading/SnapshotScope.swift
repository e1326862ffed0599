package import Aperture

/// What a snapshot is for. What every plan needs is read in any case; what one device alone can tell is asked of the devices
/// that matter, so that none that hangs, or sleeps, is disturbed for another's sake.
package enum SnapshotScope: Hashable, Sendable {
    /// Every GPU, for a list. Those that sleep are left asleep.
    case all
    /// One GPU, which is to be claimed.
    case claim(PCIAddress)
    /// One GPU, which is to be given back.
    case release(PCIAddress)
    /// One GPU, which is looked after. It is left asleep where it has no power at all.
    case watch(PCIAddress)

    /// The one GPU; `nil` for all.
    package var card: PCIAddress? {
        switch self {
        case .all: nil
        case .claim(let card), .release(let card), .watch(let card): card
        }
    }

    /// Whether the function's overrides are of interest. Other functions have `nil` for theirs.
    func includes(_ address: PCIAddress) -> Bool { card?.sharesSlot(with: address) ?? true }

    /// Whether what hangs below other devices of the slot, and of its groups, decides anything.
    var needsHostDependencies: Bool {
        switch self {
        case .all, .claim: true
        case .release, .watch: false
        }
    }
}
