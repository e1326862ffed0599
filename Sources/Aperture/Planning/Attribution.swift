/// Whether a platform framebuffer is on a GPU, and which witnesses say so.
package struct Attribution: Hashable, Sendable {
    /// What follows from the evidence.
    package enum Verdict: Hashable, Sendable {
        /// No witness puts the framebuffer on this GPU.
        case unrelated
        /// The framebuffer is on this GPU, and /proc/iomem shows its entry.
        case inBAR
        /// Two witnesses put the framebuffer on this GPU, and /proc/iomem has no entry: efifb and vesafb go on without
        /// one when their `request_mem_region()` fails.
        case inBARUnlisted
        /// A driver is bound, only one witness puts it on this GPU, and /proc/iomem has no entry.
        case insufficient
        /// Some witnesses put it on this GPU and others elsewhere; or several devices could own the same entry.
        case contradictory
    }

    /// The framebuffer that this is about.
    package let device: PlatformFramebuffer
    /// What is concluded from ``evidence``.
    package let verdict: Verdict
    /// What each witness said; a witness that says nothing is left out.
    package let evidence: [Evidence]
    /// Whether the framebuffer is known to be elsewhere: some witness says so, and none puts it on this GPU. An entry
    /// of /proc/iomem that could be another device's does not count.
    package let isElsewhere: Bool

    /// The witnesses that put the framebuffer on this GPU, in the order of ``Witness``.
    package var witnesses: [Witness] {
        evidence.filter(\.isInside).map(\.witness).sorted()
    }

    /// The widest range that a witness named, for a framebuffer without an entry in /proc/iomem; `nil` when none named
    /// one.
    package var namedRange: AddressRange? {
        evidence.lazy.compactMap { piece -> AddressRange? in
            guard case .inside(let range) = piece.place else { return nil }
            return range
        }.max { $0.size < $1.size }
    }
}
