/// One effect, why it is wanted, and what must be true after it.
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

    /// A bus with drivers, as its folder in /sys/bus is called.
    package enum Bus: String, Hashable, Sendable {
        case pci, platform
    }

    /// What is done to the machine. Paths are the kernel's own, also when the snapshot was read below another root.
    package enum Effect: Hashable, Sendable {
        /// Writes a driver's name to a device's `driver_override`, or clears it with `nil`.
        case setOverride(String?, of: String)
        case bind(String, to: String, on: Bus)
        case unbind(String, from: String, on: Bus)
        /// Lets the kernel look for a PCI function's driver (`drivers_probe_store()`).
        case probe(PCIAddress)
        /// Removes a PCI function (`remove_store()`).
        case remove(PCIAddress)
        /// Rescans the function's own bus (`bus_rescan_store()`); with an override, the function gets it as soon as it
        /// appears, before a native driver can take it.
        case rescan(expecting: PCIAddress, override: String?)
        /// Binds a console driver to its virtual terminals, or unbinds it (`vtconN/bind`).
        case switchConsole(Int, isBound: Bool)
        /// Loads a kernel module with its dependencies, through modprobe.
        case load(module: String)
        /// Unloads a kernel module and no other (delete_module(2)).
        case unload(module: String)
        /// Writes nothing: waits until /proc/iomem no longer has the entry. `node` is what keeps it there while it is open.
        case wait(for: IomemEntry, node: String)
    }

    /// What reading back must show.
    package enum Expectation: Hashable, Sendable {
        /// The written attribute reads as this text; `nil` for an override that was cleared.
        case attribute(String?)
        /// The driver link of the device directory names this driver; `nil` for no driver.
        case driver(ofDevice: String, is: String?)
        case exists(String)
        case gone(String)
        /// The function came back, with this override.
        case returned(PCIAddress, override: String)
        /// Nothing to read back: the effect was to look until it was so.
        case seen
    }

    package let action: Action
    package let rung: Rung
    /// What the step acts on, by the kernel's name.
    package let target: String
    package let effect: Effect
    package let reason: String
    package let expectation: Expectation
}

extension PlanStep.Effect {
    /// The file that is written; the program that loads a module, the folder of one that is unloaded, the device node that is
    /// waited for.
    package var path: String {
        switch self {
        case .setOverride(_, let device): "\(device)/driver_override"
        case .bind(_, let driver, .pci): KernelPath.bind(driver: driver)
        case .bind(_, let driver, .platform): KernelPath.bind(platformDriver: driver)
        case .unbind(_, let driver, .pci): KernelPath.unbind(driver: driver)
        case .unbind(_, let driver, .platform): KernelPath.unbind(platformDriver: driver)
        case .probe: KernelPath.driversProbe
        case .remove(let address): KernelPath.remove(address)
        case .rescan(let address, _): KernelPath.busRescan(address)
        case .switchConsole(let number, _): KernelPath.consoleBind(number)
        case .load: KernelPath.modprobe
        case .unload(let module): KernelPath.module(module)
        case .wait(_, let node): node
        }
    }

    /// What is written there, byte for byte: a lone line feed clears an override (`driver_set_override()`). The name of a
    /// module that is loaded; empty where nothing is written.
    package var value: String {
        switch self {
        case .setOverride(let driver, _): driver ?? "\n"
        case .bind(let device, _, _), .unbind(let device, _, _): device
        case .probe(let address): address.description
        case .remove, .rescan: "1"
        case .switchConsole(_, let isBound): isBound ? "1" : "0"
        case .load(let module): module
        case .unload, .wait: ""
        }
    }
}

extension PlanStep {
    package var path: String { effect.path }

    package var value: String { effect.value }

    /// The value as a person reads it.
    package var shownValue: String {
        if case .setOverride(nil, _) = effect { "\\n" } else { value }
    }
}
