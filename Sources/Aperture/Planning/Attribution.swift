/// Whether a platform framebuffer stands on a GPU, and on whose word.
package struct Attribution: Hashable, Sendable {
    /// What the witnesses come to.
    package enum Verdict: Hashable, Sendable {
        /// No witness puts it on this GPU.
        case unrelated
        /// It does, and /proc/iomem shows the entry.
        case inBAR
        /// It does, on two agreeing witnesses, while /proc/iomem is silent: efifb and vesafb go on without a line when
        /// their `request_mem_region()` fails.
        case inBARUnlisted
        /// A driver is bound, one witness alone points here, and /proc/iomem is silent.
        case insufficient
        /// Some say here, some say elsewhere; or several devices could own the same line.
        case contradictory
    }

    package let device: PlatformFramebuffer
    package let verdict: Verdict
    package let evidence: [Evidence]
    /// Whether it is known to stand somewhere else: some witness says so, and none speaks for this GPU. A line of
    /// /proc/iomem that could be another device's does not count.
    package let isElsewhere: Bool

    /// The witnesses that put it on this GPU, in order.
    package var witnesses: [Witness] {
        evidence.filter(\.isInside).map(\.witness).sorted()
    }

    /// The widest range that a witness named, for a framebuffer without an iomem line.
    package var namedRange: AddressRange? {
        evidence.lazy.compactMap { piece -> AddressRange? in
            guard case .inside(let range) = piece.place else { return nil }
            return range
        }.max { $0.size < $1.size }
    }
}
