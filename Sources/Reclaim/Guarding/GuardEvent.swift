package import Aperture

/// What the guard sees happen to a claimed card.
package enum GuardEvent: Sendable {
    /// A framebuffer appeared over the card; it is about to be evicted.
    case lateFramebuffer(Conflict)
    /// A framebuffer appeared over a card that a guest has open: it is only told.
    case lateFramebufferInUse(Conflict, [Holder])
    /// A function is no longer on vfio-pci; with the driver that has it now.
    case takenAway(PCIAddress, driver: String?)
    /// Nothing answers at a function's address any more.
    case dead(PCIAddress)
    /// The claim was given back, or forgotten, by someone else.
    case releasedByOther
    /// Everything is as it should be again.
    case sound
    /// The card is gone from the machine.
    case gone
    /// The kernel's events came faster than they were read; everything is read anew.
    case ueventsLost
    /// The machine could not be read.
    case failed(String)
}
