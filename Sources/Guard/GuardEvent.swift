package import Aperture
package import Configuration
package import Reclaim

/// What a guard reports: what it does, and what it sees happen to the card.
package enum GuardEvent: Sendable {
    // MARK: What it does

    /// The guard begins, for the first time or again.
    case begins
    /// The guard undid or finished an interrupted run, as far as that was possible.
    case recovered(Restoration)
    /// A line of the configuration was not understood.
    case configurationWarning(ConfigurationWarning)
    /// Another guard has the card; with its name.
    case guardedByOther(String)
    /// The configuration does not allow the card, or cannot be read.
    case configurationRefused(Refusal)
    /// A claim, a release or an undo reports its progress.
    case claim(ClaimEvent)
    /// The machine boots, and the guard waits for these processes, which have the card.
    case waiting([Holder])
    /// The guard asks the boot splash to end, because it has the card.
    case endingSplash(Holder)
    /// The boot splash could not be asked to end; with the reason.
    case splashNotAsked(String)
    /// The card is claimed, by this run or before it.
    case claimed(ClaimOutcome)
    /// The plan refuses the claim; nothing was written.
    case claimRefused(Refusal)
    /// The claim failed; `undo` is `nil` when there was nothing to undo, or when a stuck write forbids it.
    case claimFailed(ReclaimError, undo: Restoration?)
    /// The card is the host's again.
    case released
    /// The release is refused; the claim stays.
    case releaseRefused(Refusal)
    /// The udev rule's reservation of a card that is not claimed was undone, as far as that was possible.
    case ruleUndone(Restoration)
    /// The guard watches the card from now on.
    case guarding
    /// A signal ends the guard.
    case stopped
    /// The service manager did not take the status line; with the error.
    case statusNotTold(String)

    // MARK: What it sees

    /// A framebuffer appeared in the card's BARs, and the guard is about to evict it.
    case lateFramebuffer(Conflict)
    /// A framebuffer appeared in the BARs of a card that a guest has open. The guard only reports it.
    case lateFramebufferInUse(Conflict, [Holder])
    /// A function is no longer on vfio-pci; with its present driver, `nil` for none.
    case takenAway(PCIAddress, driver: String?)
    /// Nothing answers at a function's address any more.
    case dead(PCIAddress)
    /// Someone else released the card or removed its record.
    case releasedByOther
    /// All findings are over.
    case sound
    /// The card is gone from the machine.
    case gone
    /// The socket overflowed and the kernel dropped events, so the guard reads everything again.
    case ueventsLost
    /// The machine could not be read.
    case failed(String)
}
