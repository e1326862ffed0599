/// Why nothing will be done: data, not an error. A refusal is made before anything is written.
package struct Refusal: Hashable, Sendable {
    /// Stable names, for scripts and the journal.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case noSuchDevice = "no-such-device"
        case notADisplayDevice = "not-a-display-device"
        case deviceUnreadable = "device-unreadable"
        case iomemMasked = "iomem-masked"
        case iomemUnreadable = "iomem-unreadable"
        case kernelUnknown = "kernel-unknown"
        case noIOMMU = "no-iommu"
        case groupNotViable = "group-not-viable"
        case hostDepends = "host-depends"
        case vfioPCIMissing = "vfio-pci-missing"
        case unknownOwner = "unknown-owner"
        case evidenceMissing = "evidence-missing"
        case contradictoryEvidence = "contradictory-evidence"
        case framebufferHeld = "framebuffer-held"
        case residueNeedsRescan = "residue-needs-rescan"
        case inUse = "in-use"
        case holdersUnknown = "holders-unknown"
        case barUnassigned = "bar-unassigned"
        case deadDevice = "dead-device"
        case hasVirtualFunctions = "has-virtual-functions"
        case notClaimed = "not-claimed"
        case notRoot = "not-root"
        case locked
    }

    package let code: Code
    /// What is the matter, with the names of the things, in one sentence.
    package let message: String
    /// What the person can do.
    package let remedy: String

    package init(_ code: Code, _ message: String, remedy: String) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }
}

extension Refusal: CustomStringConvertible {
    package var description: String { "\(code.rawValue): \(message) \(remedy)" }
}
