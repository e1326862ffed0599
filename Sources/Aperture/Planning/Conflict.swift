/// An entry in one of the GPU's memory BARs that is neither the BAR's own line nor vfio-pci's: what makes
/// `pci_request_region()` fail with EBUSY.
package struct Conflict: Hashable, Sendable {
    /// Whose entry it is.
    package enum Owner: Hashable, Sendable {
        /// A firmware framebuffer. `device` is nil when its platform device is gone, `driver` when none is bound.
        case framebuffer(device: String?, driver: String?)
        /// The driver that the GPU is bound to; its entry goes when it is unbound.
        case nativeDriver(String)
        case unknown
    }

    /// The BAR's index, 0 to 5.
    package let bar: Int
    /// The innermost entry.
    package let entry: IomemEntry
    /// The entries between the BAR and the innermost one, outermost first: `BOOTFB` around `simpledrm`.
    package let enclosing: [IomemEntry]
    package let owner: Owner
    package let witnesses: [Witness]
    /// Whether /proc/iomem shows the entry; one that it does not show carries its device's name.
    package let isListed: Bool

    package init(
        bar: Int, entry: IomemEntry, enclosing: [IomemEntry] = [], owner: Owner, witnesses: [Witness],
        isListed: Bool = true
    ) {
        self.bar = bar
        self.isListed = isListed
        self.entry = entry
        self.enclosing = enclosing
        self.owner = owner
        self.witnesses = witnesses
    }

    /// The platform device of the framebuffer, where there is one.
    package var device: String? {
        if case .framebuffer(let device, _) = owner { device } else { nil }
    }

    /// The driver whose unbind is meant to end the entry.
    package var driver: String? {
        switch owner {
        case .framebuffer(_, let driver): driver
        case .nativeDriver(let driver): driver
        case .unknown: nil
        }
    }

    /// The entry that belongs to a platform device rather than to a driver, so that no unbind ends it: `BOOTFB`, where
    /// simpledrm's own may lie in it.
    package var residue: IomemEntry? {
        isListed ? ([entry] + enclosing).first(where: FramebufferDriver.isDevicesOwn) : nil
    }

    /// Whether nothing but a driverless device's own entry is left.
    package var isResidue: Bool {
        isListed && FramebufferDriver.isDevicesOwn(entry)
    }

    /// Whether a driver that is no longer bound still has its entry: someone holds its node open (efifb, vesafb, simplefb),
    /// until the last close.
    package var isHeld: Bool {
        guard case .framebuffer(_, let driver) = owner else { return false }
        return driver == nil && !isResidue
    }
}
