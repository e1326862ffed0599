/// The kinds of events, each with its own identifier, by which scripts and the message catalog find it (`MESSAGE_ID`).
/// An identifier is never used for another kind; `systemd/apertured.catalog` explains each.
package enum MessageID: String, Hashable, Sendable, CaseIterable {
    /// A claim begins: the plan is made, and nothing is written yet.
    case claimStarted = "52abea6fbd78487ea6664f112a9148bc"
    /// A claim was refused, for the reason in the code; nothing was written.
    case claimRefused = "a81d6be882554845aa7df861023becb2"
    /// A process has the GPU while the machine boots; the claim waits for it.
    case waitingForUsers = "153f492dd50f4d5ab1565fbac996b436"
    /// A firmware framebuffer's driver was unbound.
    case framebufferEvicted = "cba66d0077b141f7bc3f14e84eece078"
    /// A virtual console left the GPU's text mode.
    case consoleHandedOver = "4a87e7ae90b9452397d3efb00b56763f"
    /// A BAR holds residue, which no unbind removes.
    case residueFound = "a202a7560e324fd9b34fbf87a17d7955"
    /// A residue rung (`bounce`, `rescan`) was taken.
    case rungTaken = "d64d6aa5731a44379391ed57e6dda643"
    /// A write is about to be made. The entry comes first, because an unbind can hang in the kernel.
    case stepIntended = "86fcd048b9f143a6879c4442c0c28974"
    /// A native driver was unbound.
    case driverUnbound = "b34b8265c181475aa834acc5e7a373b6"
    /// The GPU is on vfio-pci, and every BAR was mapped.
    case claimedAndProven = "92a1695ad3f04f5892f2f5bc178858e3"
    /// A claim failed after it had begun.
    case claimFailed = "cdca6f4f51d842e7a753d3543b198601"
    /// Nothing could begin: the lock, a record or the machine could not be taken or read.
    case failed = "abdfabdb555e47fc987ad8995bbecb60"
    /// Every write of a failed claim was undone.
    case undone = "90d08ec777e04993a4763f83e92fecfa"
    /// A write of a claim could not be undone.
    case notUndone = "de7d63f53bb543e78ceab2651bc8ef72"
    /// An interrupted claim was undone, or an interrupted release finished.
    case recovered = "5ece1743da0d4bf293250005001ca287"
    /// The udev rule had reserved the GPU, no claim followed, and the reservation was undone.
    case ruleTakenBack = "1bed4115c6b24328a0d4cd9c213900c1"
    /// A framebuffer appeared in the BARs of a claimed GPU that nobody uses; its eviction follows.
    case lateFramebuffer = "befb2fb9d8864e11a2b87d950e22d218"
    /// A framebuffer appeared in the BARs of a claimed GPU that a guest uses.
    case lateFramebufferInUse = "ea201fdc20024b13a95d28742cc70e46"
    /// A function of a claimed GPU is no longer on vfio-pci.
    case takenAway = "1e38b907effb4f1fbc95acec7a5c0ba5"
    /// Nothing answers at the address of a claimed GPU any more.
    case deviceDead = "96a79711c12f4dd29c0e7cae45b0c98b"
    /// Someone else released a guarded GPU.
    case releasedByOther = "b9d1e82238a842c883efa6084bb96db0"
    /// The guarded GPU was removed.
    case deviceGone = "23676575f382428ab263db5bbfed83a5"
    /// A release begins.
    case releaseStarted = "d5b1546f808144ad9d43d3cc9155dbae"
    /// The host has the GPU again.
    case released = "3101ba7d07984e71ba50f696fa052011"
    /// A release was refused, for the reason in the code.
    case releaseRefused = "7e226221f9944992a383655f14f7246f"
    /// Something cannot be restored to what it was before the claim.
    case notRestorable = "647dd68a03c44da7af4fa06bc7df08b5"
    /// The guard watches a claimed GPU.
    case guardStarted = "4ef10cf69ac240e3b5752053b57d71cd"
    /// The guard ends.
    case guardStopped = "c87c3ed1b1d24da5be7e77a9b6d79fab"
    /// The configuration does not allow this GPU.
    case configurationMismatch = "46202f9cc3764026bbb827b287fecc65"
    /// A line of the configuration is not understood.
    case configurationWarning = "f9195502a70846b7a787d23cf2f09f3b"
    /// The kernel command line says `apertured=off`.
    case automaticStartOff = "f19a14106adb4a03aadf8a48b9d2ffb2"
    /// The kernel had more events than the socket could hold; the guard read everything again.
    case ueventsLost = "0239d12ce3544f8ba5af63a965ba8283"
    /// The unit is enabled, and the initramfs of this boot did not reserve the card.
    case notReservedEarly = "80a4110f1cf745338b3626c1a538c1ec"
}

extension MessageID {
    /// The fields that every entry of this kind carries, because its text in the catalog uses them.
    package var fields: [FieldName] {
        switch self {
        case .claimStarted, .waitingForUsers, .claimedAndProven, .claimFailed, .failed, .undone, .recovered,
            .ruleTakenBack, .releasedByOther, .deviceGone, .releaseStarted, .released, .guardStarted, .guardStopped,
            .automaticStartOff, .ueventsLost, .notReservedEarly:
            [.gpu]
        case .framebufferEvicted, .consoleHandedOver, .driverUnbound, .lateFramebuffer, .lateFramebufferInUse,
            .takenAway, .deviceDead, .notRestorable:
            [.gpu, .device]
        case .claimRefused, .releaseRefused, .configurationMismatch:
            [.gpu, .code]
        case .configurationWarning:
            [.configurationFile, .configurationLine]
        case .residueFound:
            [.gpu, .bar]
        case .rungTaken:
            [.gpu, .rung]
        case .notUndone:
            [.gpu, .step]
        case .stepIntended:
            [.gpu, .step, .device]
        }
    }
}
