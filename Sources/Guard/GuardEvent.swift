package import Aperture
package import Configuration
package import Reclaim

/// What a guard tells: what it does, and what it sees happen to the card.
package enum GuardEvent: Sendable {
    // MARK: What it does

    /// What an earlier run left was settled, as far as it could be.
    case recovered(Restoration)
    case configurationWarning(ConfigurationWarning)
    case configurationRefused(ConfigurationRefusal)
    /// Something of a claim, while it goes on.
    case claim(ClaimEvent)
    case claimed(ClaimOutcome)
    case claimRefused(Refusal)
    case claimFailed(ReclaimError, undo: Restoration?)
    /// The card is looked after from now on.
    case guarding
    case stopped
    /// The service manager did not take the status line; with the error.
    case statusNotTold(String)

    // MARK: What it sees

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
