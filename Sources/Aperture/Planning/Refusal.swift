/// Why nothing will be done: data, not an error. A refusal is made before anything is written.
package struct Refusal: Hashable, Sendable {
    /// The kind of refusal. The names are stable, for scripts and the journal.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        /// No function is at the address, or a function that was named cannot go with the GPU.
        case noSuchDevice = "no-such-device"
        /// The function is not of a GPU's class.
        case notADisplayDevice = "not-a-display-device"
        /// A function, framebuffer or console could not be read.
        case deviceUnreadable = "device-unreadable"
        /// /proc/iomem hides its addresses from this process.
        case iomemMasked = "iomem-masked"
        /// /proc/iomem could not be read or parsed.
        case iomemUnreadable = "iomem-unreadable"
        /// The kernel's version could not be read.
        case kernelUnknown = "kernel-unknown"
        /// A function is in no IOMMU group.
        case noIOMMU = "no-iommu"
        /// A host driver shares an IOMMU group with the functions.
        case groupNotViable = "group-not-viable"
        /// The host depends on a function or on a member of its group.
        case hostDepends = "host-depends"
        /// The VFIO driver is missing, or the driver is not VFIO's.
        case vfioPCIMissing = "vfio-pci-missing"
        /// An entry in a BAR has no known owner.
        case unknownOwner = "unknown-owner"
        /// There are too few witnesses.
        case evidenceMissing = "evidence-missing"
        /// The witnesses contradict each other.
        case contradictoryEvidence = "contradictory-evidence"
        /// A process has a framebuffer open that cannot be evicted meanwhile.
        case framebufferHeld = "framebuffer-held"
        /// Residue stays in a BAR, and no allowed rung ends it.
        case residueNeedsRescan = "residue-needs-rescan"
        /// A process or a kernel module uses the card.
        case inUse = "in-use"
        /// It is not known whether a process uses the card.
        case holdersUnknown = "holders-unknown"
        /// A BAR has no address.
        case barUnassigned = "bar-unassigned"
        /// The function's configuration space reads all ones.
        case deadDevice = "dead-device"
        /// The function's virtual functions would end with it.
        case hasVirtualFunctions = "has-virtual-functions"
        /// There is no claim to release.
        case notClaimed = "not-claimed"
        /// The verb needs root.
        case notRoot = "not-root"
        /// Another apertured is claiming or releasing.
        case locked
        /// The card is not the one that the configuration describes.
        case configurationMismatch = "configuration-mismatch"
        /// A section of the configuration without `Multiple=yes` matches several cards.
        case ambiguous
        /// A section of the configuration that may be about the card, or a whole file, cannot be understood.
        case configurationInvalid = "configuration-invalid"
    }

    /// The kind of refusal.
    package let code: Code
    /// What is wrong, with the names of the devices, drivers and processes: one or two sentences.
    package let message: String
    /// What the person can do about it, in sentences.
    package let remedy: String

    /// A refusal whose message and remedy are whole sentences.
    package init(_ code: Code, _ message: String, remedy: String) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }
}

extension Refusal: CustomStringConvertible {
    package var description: String { "\(code.rawValue): \(message) \(remedy)" }
}

extension Refusal.Code {
    /// What a refusal of this kind is about, in a word or two.
    var subject: String {
        switch self {
        case .noSuchDevice, .notADisplayDevice, .deviceUnreadable, .deadDevice: "Card"
        case .iomemMasked, .iomemUnreadable: "Memory map"
        case .kernelUnknown: "Kernel"
        case .noIOMMU: "IOMMU"
        case .groupNotViable: "IOMMU group"
        case .hostDepends: "Host"
        case .vfioPCIMissing: "VFIO driver"
        case .unknownOwner, .evidenceMissing, .contradictoryEvidence, .framebufferHeld, .residueNeedsRescan:
            "Framebuffer"
        case .inUse, .holdersUnknown: "Users"
        case .barUnassigned: "BARs"
        case .hasVirtualFunctions: "Virtual functions"
        case .notClaimed: "Claim"
        case .notRoot: "User"
        case .locked: "Lock"
        case .configurationMismatch, .ambiguous, .configurationInvalid: "Configuration"
        }
    }

    /// The place among several obstacles: the lower is to be mended first. What hides the truth comes before what it
    /// hides, then what the firmware and a boot decide, then what a person can stop, and at last what is in the BARs.
    var urgency: Int {
        switch self {
        case .noSuchDevice, .notADisplayDevice: 0
        case .notRoot, .iomemMasked: 1
        case .deviceUnreadable, .iomemUnreadable, .kernelUnknown: 2
        case .deadDevice: 3
        case .noIOMMU: 4
        case .barUnassigned: 5
        case .vfioPCIMissing: 6
        case .hostDepends: 7
        case .groupNotViable: 8
        case .hasVirtualFunctions: 9
        case .holdersUnknown: 10
        case .inUse: 11
        case .evidenceMissing, .contradictoryEvidence, .unknownOwner: 12
        case .framebufferHeld: 13
        case .residueNeedsRescan: 14
        case .notClaimed, .locked, .configurationMismatch, .ambiguous, .configurationInvalid: 15
        }
    }
}
