/// The kinds of events, each by a number of its own that scripts and the message catalog find it by (`MESSAGE_ID`). A
/// number is never given to another kind; `systemd/apertured.catalog` explains every one.
package enum MessageID: String, Hashable, Sendable, CaseIterable {
    /// A claim begins: the plan is made, nothing is written yet.
    case claimStarted = "52abea6fbd78487ea6664f112a9148bc"
    /// Nothing was written, for the reason that the code names.
    case claimRefused = "a81d6be882554845aa7df861023becb2"
    /// A firmware framebuffer's driver was taken off the GPU.
    case framebufferEvicted = "cba66d0077b141f7bc3f14e84eece078"
    /// A virtual console left the GPU's text mode.
    case consoleHandedOver = "4a87e7ae90b9452397d3efb00b56763f"
    /// A range that no unbind ends is left in a BAR.
    case residueFound = "a202a7560e324fd9b34fbf87a17d7955"
    /// A part of the claim is done, and the snapshot was read anew.
    case rungTaken = "d64d6aa5731a44379391ed57e6dda643"
    /// A write is about to be made. It is told before, as an unbind can hang in the kernel.
    case stepIntended = "86fcd048b9f143a6879c4442c0c28974"
    /// A native driver was unbound.
    case driverUnbound = "b34b8265c181475aa834acc5e7a373b6"
    /// The GPU is on vfio-pci, and every BAR was mapped.
    case claimedAndProven = "92a1695ad3f04f5892f2f5bc178858e3"
    /// A claim that had begun did not end well.
    case claimFailed = "cdca6f4f51d842e7a753d3543b198601"
    /// Something failed before it had begun: the lock, the record, the machine could not be had or read.
    case failed = "abdfabdb555e47fc987ad8995bbecb60"
    /// What a failed claim had written is as it was.
    case undone = "90d08ec777e04993a4763f83e92fecfa"
    /// Something that a failed claim had written could not be undone.
    case notUndone = "de7d63f53bb543e78ceab2651bc8ef72"
    /// An interrupted claim was found and finished or undone.
    case recovered = "5ece1743da0d4bf293250005001ca287"
    /// The udev rule had reserved the GPU, and the claim that was to follow did not come.
    case ruleTakenBack = "1bed4115c6b24328a0d4cd9c213900c1"
    /// A framebuffer appeared over a claimed GPU that nobody uses; its eviction follows.
    case lateFramebuffer = "befb2fb9d8864e11a2b87d950e22d218"
    /// A framebuffer appeared over a claimed GPU that a guest uses.
    case lateFramebufferInUse = "ea201fdc20024b13a95d28742cc70e46"
    /// A function of a claimed GPU is no longer on vfio-pci.
    case takenAway = "1e38b907effb4f1fbc95acec7a5c0ba5"
    /// Nothing answers at the address of a claimed GPU any more.
    case deviceDead = "96a79711c12f4dd29c0e7cae45b0c98b"
    /// The claim of a guarded GPU was given back by someone else.
    case releasedByOther = "b9d1e82238a842c883efa6084bb96db0"
    /// The guarded GPU was removed.
    case deviceGone = "23676575f382428ab263db5bbfed83a5"
    /// A release begins.
    case releaseStarted = "d5b1546f808144ad9d43d3cc9155dbae"
    /// The GPU is the host's again.
    case released = "3101ba7d07984e71ba50f696fa052011"
    /// The GPU was not released, for the reason that the code names.
    case releaseRefused = "7e226221f9944992a383655f14f7246f"
    /// Something will not be, or is not, as it was before the claim.
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
    /// The kernel had more events than the socket could hold; everything was read anew.
    case ueventsLost = "0239d12ce3544f8ba5af63a965ba8283"
}

extension MessageID {
    /// The fields that every entry of this kind carries: what its text in the catalog names.
    package var fields: [FieldName] {
        switch self {
        case .claimStarted, .claimedAndProven, .claimFailed, .failed, .undone, .recovered, .ruleTakenBack,
            .releasedByOther, .deviceGone, .releaseStarted,
            .released, .guardStarted, .guardStopped, .automaticStartOff, .ueventsLost:
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
