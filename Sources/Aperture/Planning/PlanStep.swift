/// One write, why it is made, and what must be true after it.
package struct PlanStep: Hashable, Sendable {
    /// Stable names, for scripts and the journal.
    package enum Action: String, Hashable, Sendable {
        case loadDriver = "load-driver"
        case setDriverOverride = "set-driver-override"
        case clearDriverOverride = "clear-driver-override"
        case handOverConsole = "hand-over-console"
        case setFramebufferOverride = "set-framebuffer-override"
        case unbindFramebuffer = "unbind-framebuffer"
        case awaitRelease = "await-release"
        case unloadModule = "unload-module"
        case unbindDriver = "unbind-driver"
        case bindNative = "bind-native"
        case removeDevice = "remove-device"
        case rescanBus = "rescan-bus"
        case bindVFIO = "bind-vfio-pci"
        case bindDriver = "bind-driver"
        case probeDriver = "probe-driver"
        case bindFramebuffer = "bind-framebuffer"
        case restoreFramebufferOverride = "restore-framebuffer-override"
        case restoreConsole = "restore-console"
    }

    /// The parts of a claim, in order. The snapshot is read anew after each; the next is taken only if it is needed.
    package enum Rung: String, Hashable, Sendable, CaseIterable {
        case prepare
        case override
        case legacyVGA = "legacy-vga"
        case evict
        case wait
        case unload
        case unbind
        case bounce
        case rescan
        case bind
        /// The way back: drivers get their devices again, those that the kernel looks for first, then the consoles.
        case probe
        case rebind
        case console
    }

    /// What reading back must show.
    package enum Expectation: Hashable, Sendable {
        /// The written attribute reads as this text; `nil` for an override that was cleared.
        case attribute(String?)
        /// The driver link of the device directory names this driver; `nil` for no driver.
        case driver(ofDevice: String, is: String?)
        case exists(String)
        case gone(String)
        /// The claim is no longer in /proc/iomem.
        case released(Claim)
        /// The function came back, with this override.
        case returned(PCIAddress, override: String)
    }

    package let action: Action
    package let rung: Rung
    /// What the step acts on, by the kernel's name.
    package let target: String
    /// The real path that is written, also when the snapshot was read below another root; the program for
    /// `load-driver` and `unload-module`, the device node for `await-release`.
    package let path: String
    package let value: String
    package let reason: String
    package let expectation: Expectation
}
