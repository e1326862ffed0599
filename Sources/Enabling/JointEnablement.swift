package import Aperture
internal import Configuration
package import KernelFiles

/// The cards that the configuration gives to the one guard of several cards, where that is enabled: apertured.service.
package struct JointEnablement: Sendable {
    /// The links that make systemd start the service at boot.
    private static let links = EnablementLink.folders.map { "\($0)/multi-user.target.wants/apertured.service" }

    /// The cards, there or not; empty when the service is not enabled. Unknown when the configuration could not be read.
    package let cards: Fact<Set<PCIAddress>>
    /// The link that makes systemd start the service; `nil` without one.
    package let link: String?

    /// Reads the configuration and systemd's links.
    /// - Parameters:
    ///   - tree: The root that holds `etc` and `run`.
    ///   - facts: All display functions of the machine.
    ///   - isRunning: Whether such a guard runs, in a container perhaps, where systemd has no link for it.
    package init(tree: FileTree, among facts: [CardFacts], isRunning: Bool) {
        do {
            let isMasked = try EnablementReader.mask(of: ["apertured.service"], in: tree) != nil
            let links = isMasked ? [] : Self.links
            let found = try links.first { path throws(FileTreeError) in try tree.linkTarget(path) != nil }
            let isGuarded = found != nil || isRunning
            let enabled = isGuarded ? try ConfigurationReader(tree: tree).read().enabled(among: facts) : []
            (link, cards) = (found, .known(Set(enabled)))
        } catch {
            (link, cards) = (nil, .unknown("\(error)"))
        }
    }

    /// Nothing could be read, for this reason.
    package init(unknown reason: String) { (link, cards) = (nil, .unknown(reason)) }

    /// The enablement of a card that has a guard in common with others: as good as a unit of its own. Where it is not known
    /// which cards these are, a card without a unit that is enabled is not known to have no guard.
    package func adding(to enablement: Enablement) -> Enablement {
        var joint = enablement
        switch cards {
        case .known(let cards) where cards.contains(enablement.address):
            joint.links = .known((enablement.links.value ?? []) + [link ?? "apertured guard"])
            joint.mask = .known(nil)
        case .known: break
        case .unknown(let reason):
            if enablement.isEnabled != true { joint.links = .unknown(reason) }
        }
        return joint
    }
}
