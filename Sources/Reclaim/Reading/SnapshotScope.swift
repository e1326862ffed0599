package import Aperture

/// The purpose of a snapshot. Reads that can hang, or wake a device, are limited to the devices that the purpose needs.
package enum SnapshotScope: Hashable, Sendable {
    /// To list every GPU. Sleeping GPUs are left asleep.
    case all
    /// To claim one GPU.
    case claim(PCIAddress)
    /// To release one GPU, or to undo a claim of it.
    case release(PCIAddress)
    /// To guard or show one GPU. In D3cold it is left asleep.
    case watch(PCIAddress)

    /// The one GPU; `nil` for ``all``.
    package var card: PCIAddress? {
        switch self {
        case .all: nil
        case .claim(let card), .release(let card), .watch(let card): card
        }
    }

    /// Whether the function's driver override is read. It stays `nil` for other functions.
    func includes(_ address: PCIAddress) -> Bool { card?.sharesSlot(with: address) ?? true }

    /// Whether the plan depends on what the host uses below other functions of the slot and the group.
    var needsHostDependencies: Bool {
        switch self {
        case .all, .claim: true
        case .release, .watch: false
        }
    }
}
