/// What the person allows for this claim.
package struct ClaimOptions: Hashable, Sendable {
    /// What may be done about residue: an entry that no unbind ends.
    package enum Residue: String, Hashable, Sendable, CaseIterable {
        /// Rescan from 6.9 on; on 6.0 to 6.8 bounce through an allowed native driver; otherwise refuse.
        case auto
        /// Let an allowed native driver probe the card once.
        case bounce
        /// Remove the GPU and rescan its bus, on any kernel.
        case rescan
        /// Refuse the claim.
        case refuse

        /// All of them in one sentence: `auto, bounce, rescan or refuse`.
        package static let list: String = {
            let names = allCases.map(\.rawValue)
            return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
        }()
    }

    /// The rung that may be used against residue.
    package var residue = Residue.auto
    /// Native drivers that may probe this card once, by module or driver name.
    package var allowedNativeDrivers: Set<String> = []
    /// Take the GPU alone, and leave the other functions of its slot.
    package var onlyFunction = false
    /// Take every endpoint of the slot.
    package var wholeSlot = false
    /// Functions of the slot that are taken as well.
    package var addedFunctions: Set<PCIAddress> = []
    /// The VFIO driver to bind; `nil` for the best match.
    package var driver: String?
    /// Go on although a process has the GPU's nodes open, where the kernel allows it.
    package var force = false
    /// Unload the host driver's kernel modules that keep the card busy; only nvidia's do.
    package var unloadsNative = false

    /// The defaults: nothing that a person has to allow.
    package init() {}
}
