/// One thing that decides whether a guest will get a card, and how it stands.
package struct Finding: Hashable, Sendable {
    /// How it stands.
    package enum Mark: String, Hashable, Sendable, CaseIterable {
        /// Nothing is to be done.
        case ok
        /// A claim succeeds, and a person should know this.
        case note
        /// It stops a claim: it is a refusal of the plan.
        case obstacle
        /// It could not be found out.
        case unknown

        /// The sign at the beginning of a line.
        package var sign: String {
            switch self {
            case .ok: "✓"
            case .note: "!"
            case .obstacle: "✗"
            case .unknown: "–"
            }
        }
    }

    /// A stable name in lower case: of an obstacle the refusal's code, otherwise one of ``Name``.
    package let id: String
    /// How it stands.
    package let mark: Mark
    /// What the finding is about, in a word or two.
    package let subject: String
    /// What was found: one or more sentences.
    package let statement: String
    /// What mends it, in sentences; `nil` where nothing is to be done.
    package let remedy: String?

    /// The stable names of the findings that are no refusals.
    package enum Name: String, Hashable, Sendable, CaseIterable {
        /// The IOMMU: whether it is on, and what switches it on.
        case iommu
        /// Whether the IOMMU checks interrupts.
        case interruptRemapping = "interrupt-remapping"
        /// An option of the kernel's command line.
        case kernelOption = "kernel-option"
        /// A line of modprobe's configuration.
        case moduleOption = "module-option"
        /// The limit of locked memory.
        case memoryLock = "memory-lock"
        /// A link that enables a unit which cannot start.
        case brokenLink = "broken-link"
        /// The card itself: whether it answers.
        case card
        /// The IOMMU group and its members.
        case group
        /// The VFIO driver.
        case vfioDriver = "vfio-driver"
        /// The host's driver.
        case driver
        /// What is in the BARs, and the rung that clears it.
        case framebuffer
        /// A risk of the claim.
        case risk
        /// Who has the card open.
        case holders
        /// nvidia's kernel modules.
        case nvidiaModules = "nvidia-modules"
        /// Whether the initramfs loads a native driver.
        case initramfs
        /// Whether every BAR has an address.
        case bars
        /// The width of addresses that a guest needs.
        case addressWidth = "address-width"
        /// The sizes that a BAR can have.
        case resizableBAR = "resizable-bar"
        /// How the card can be reset.
        case reset
        /// Whether the card sleeps, and how deeply it may.
        case power
        /// The expansion ROM.
        case rom
        /// The host's last screen.
        case lastScreen = "last-screen"
        /// What else the host loses.
        case hostLoses = "host-loses"
        /// A list of IDs for vfio-pci or pci-stub.
        case deviceIDs = "device-ids"
        /// An override that driverctl keeps.
        case driverctl
        /// A guest of libvirt that has the card.
        case libvirt
        /// Xen's driver for devices that are given away.
        case xenPciback = "xen-pciback"
        /// What apertured.conf says of the card.
        case configuration
        /// Whether the card's unit is enabled.
        case unit
        /// The record of a claim.
        case record
    }

    /// A finding that is no obstacle.
    init(_ name: Name, _ mark: Mark, _ subject: String, _ statement: String, remedy: String? = nil) {
        id = name.rawValue
        self.mark = mark
        self.subject = subject
        self.statement = statement
        self.remedy = remedy
    }

    /// An obstacle: the plan's own refusal.
    init(_ refusal: Refusal) {
        id = refusal.code.rawValue
        mark = .obstacle
        subject = refusal.code.subject
        statement = refusal.message
        remedy = refusal.remedy
    }
}
