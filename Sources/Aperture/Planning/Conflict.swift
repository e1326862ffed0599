/// An entry in one of the GPU's memory BARs that is neither the BAR's own nor VFIO's: it makes `pci_request_region()`
/// fail with EBUSY.
package struct Conflict: Hashable, Sendable {
    /// The owner of the entry.
    package enum Owner: Hashable, Sendable {
        /// A firmware framebuffer. `device` is nil when its platform device is gone, `driver` when none is bound.
        case framebuffer(device: String?, driver: String?)
        /// The driver that the GPU is bound to; the entry ends when the GPU is unbound.
        case nativeDriver(String)
        /// No owner was found; the plan refuses.
        case unknown
    }

    /// The BAR's index, 0 to 5.
    package let bar: Int
    /// The entry itself: of nested ones the innermost.
    package let entry: IomemEntry
    /// The entries between the BAR and the innermost one, outermost first: `BOOTFB` around `simpledrm`.
    package let enclosing: [IomemEntry]
    /// The framebuffer or the driver whose entry it is.
    package let owner: Owner
    /// The witnesses that put the owner on this GPU, in the order of ``Witness``.
    package let witnesses: [Witness]
    /// Whether /proc/iomem shows the entry. An entry that it does not show has its device's name.
    package let isListed: Bool

    /// A conflict that /proc/iomem lists, unless `isListed` is false.
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

    /// The platform device of the framebuffer, or `nil`.
    package var device: String? {
        if case .framebuffer(let device, _) = owner { device } else { nil }
    }

    /// The driver whose unbind is to end the entry, or `nil`.
    package var driver: String? {
        switch owner {
        case .framebuffer(_, let driver): driver
        case .nativeDriver(let driver): driver
        case .unknown: nil
        }
    }

    /// The entry that belongs to a platform device and not to a driver, so that no unbind ends it: `BOOTFB`, which may
    /// enclose simpledrm's entry.
    package var residue: IomemEntry? {
        isListed ? ([entry] + enclosing).first(where: FramebufferDriver.isDevicesOwn) : nil
    }

    /// Whether the innermost entry is a platform device's own: no driver's entry is left in it.
    package var isResidue: Bool {
        isListed && FramebufferDriver.isDevicesOwn(entry)
    }

    /// Whether a driver that is no longer bound still has its entry: a process has the driver's node open (efifb,
    /// vesafb, simplefb), and the entry stays until the last close.
    package var isHeld: Bool {
        guard case .framebuffer(_, let driver) = owner else { return false }
        return driver == nil && !isResidue
    }
}
