internal import Aperture
internal import Configuration
internal import KernelFiles
internal import Reclaim
internal import Record

/// What a probe asks.
enum ProbeKind: String, CaseIterable {
    /// Whether the guard of several cards gives signs of life, and each card that is meant, and there, is claimed and
    /// guarded.
    case ready
    /// Whether that guard gives signs of life.
    case alive
}

/// Answers a probe, as a cluster runs it again and again: it reads a few small files, and no card.
struct Probe {
    /// A guard gives a sign every ten seconds, or every thirty under a service manager: so many seconds without one mean
    /// that its loop hangs.
    private static let longestSilence: Int64 = 100

    let kind: ProbeKind
    /// The cards that are meant; empty for those that the configuration enables.
    let addresses: [PCIAddress]
    let host: MachineHost

    /// What is not as the probe wants it, a sentence without its full stop; `nil` when all is.
    func complaint() throws -> String? {
        guard let last = GuardLock.lastBeat(in: host.tree) else { return "no guard of several cards runs here" }
        let silence = host.time() - last
        guard silence <= Self.longestSilence else {
            return "the guard has given no sign of life for \(silence) seconds"
        }
        if kind == .alive { return nil }
        let cards = try SnapshotReader(tree: host.tree).cards()
        let meant =
            addresses.isEmpty ? try ConfigurationReader(tree: host.tree).read().enabled(among: cards) : addresses
        for address in meant where cards.contains(where: { $0.address == address }) {
            guard try host.record(of: address)?.state == .claimed else { return "\(address) is not claimed" }
            guard GuardLock.isHeld(for: address, in: host.tree) else { return "\(address) is claimed, and not guarded" }
        }
        return nil
    }
}
