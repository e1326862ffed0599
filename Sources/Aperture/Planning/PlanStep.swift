/// One effect, why it is wanted, and what must be true after it.
package struct PlanStep: Hashable, Sendable {
    /// What the step does. The names are stable, for scripts and the journal.
    package enum Action: String, Hashable, Sendable {
        /// Loads the module of a VFIO driver, or of a host driver on the way back.
        case loadDriver = "load-driver"
        /// Stops a service that has the card open, and that the administrator has listed.
        case stopUnit = "stop-unit"
        /// Waits until no process has the card open.
        case awaitClose = "await-close"
        /// Lets only one driver bind the function.
        case setDriverOverride = "set-driver-override"
        /// Lets every driver bind the function again.
        case clearDriverOverride = "clear-driver-override"
        /// Gives the terminals of the VGA text console to another console driver.
        case handOverConsole = "hand-over-console"
        /// Keeps every framebuffer driver off a platform framebuffer.
        case setFramebufferOverride = "set-framebuffer-override"
        /// Evicts a platform framebuffer's driver.
        case unbindFramebuffer = "unbind-framebuffer"
        /// Waits until the holders of a framebuffer have closed it.
        case awaitRelease = "await-release"
        /// Unloads one of nvidia's modules.
        case unloadModule = "unload-module"
        /// Takes a function from its PCI driver.
        case unbindDriver = "unbind-driver"
        /// Lets a native driver probe the GPU once, which drops the residue.
        case bindNative = "bind-native"
        /// Removes the GPU from the bus, which frees the residue.
        case removeDevice = "remove-device"
        /// Finds a removed function again.
        case rescanBus = "rescan-bus"
        /// Binds a function to its VFIO driver.
        case bindVFIO = "bind-vfio-pci"
        /// Binds a function to the driver that it had before the claim.
        case bindDriver = "bind-driver"
        /// Lets the kernel find the host's driver of a function.
        case probeDriver = "probe-driver"
        /// Binds a platform framebuffer to the driver that it had before the claim.
        case bindFramebuffer = "bind-framebuffer"
        /// Gives a platform framebuffer the override that it had before the claim.
        case restoreFramebufferOverride = "restore-framebuffer-override"
        /// Gives the VGA text console its terminals back.
        case restoreConsole = "restore-console"
        /// Starts a service again that the claim has stopped.
        case startUnit = "start-unit"
    }

    /// The groups of steps, in order. The snapshot is read again after each rung; the next one is done only if it is
    /// still needed.
    package enum Rung: String, Hashable, Sendable, CaseIterable {
        /// Loads the VFIO drivers.
        case prepare
        /// Stops the services that have the card open.
        case stop
        /// Sets or restores `driver_override`.
        case override
        /// Takes the boot VGA device from the text console and vga16fb.
        case legacyVGA = "legacy-vga"
        /// Unbinds the framebuffers.
        case evict
        /// Waits for the holders of a framebuffer.
        case wait
        /// Unloads nvidia's modules.
        case unload
        /// Unbinds the functions.
        case unbind
        /// Lets a native driver probe the GPU, to end residue.
        case bounce
        /// Removes the GPU and rescans its bus, to end residue.
        case rescan
        /// Binds the functions to VFIO.
        case bind
        /// On the way back: loads modules, and lets the kernel look for drivers.
        case probe
        /// On the way back: binds functions and framebuffers to their former drivers.
        case rebind
        /// On the way back: gives the VGA text console its terminals back.
        case console
        /// On the way back, when the card is there again: starts the services that the claim has stopped.
        case start
    }

    /// A bus with drivers, by the name of its folder in /sys/bus.
    package enum Bus: String, Hashable, Sendable {
        /// `/sys/bus/pci` and `/sys/bus/platform`.
        case pci, platform
    }

    /// What is done to the machine. Paths are the kernel's own, even when the snapshot was read below another root.
    package enum Effect: Hashable, Sendable {
        /// Writes a driver's name to a device's `driver_override`, or clears it with `nil`.
        case setOverride(String?, of: String)
        /// Binds a device, by its name, to a driver.
        case bind(String, to: String, on: Bus)
        /// Unbinds a device, by its name, from a driver.
        case unbind(String, from: String, on: Bus)
        /// Lets the kernel look for a PCI function's driver (`drivers_probe_store()`).
        case probe(PCIAddress)
        /// Removes a PCI function (`remove_store()`).
        case remove(PCIAddress)
        /// Rescans the function's own bus (`bus_rescan_store()`). The function gets the override, if there is one, as
        /// soon as it appears, before a native driver can take it.
        case rescan(expecting: PCIAddress, override: String?)
        /// Binds a console driver to its virtual terminals, or unbinds it (`vtconN/bind`).
        case switchConsole(Int, isBound: Bool)
        /// Loads a kernel module with its dependencies, through modprobe.
        case load(module: String)
        /// Unloads a kernel module and no other (delete_module(2)).
        case unload(module: String)
        /// Waits until /proc/iomem no longer has the entry, and writes nothing. The entry stays while a process has
        /// `node` open.
        case wait(for: IomemEntry, node: String)
        /// Stops a system service, through systemctl, and waits until it has stopped.
        case stop(unit: String)
        /// Starts a system service, through systemctl.
        case start(unit: String)
        /// Waits until no process has one of these nodes open, and writes nothing.
        case awaitClose([String])
    }

    /// What must be read back after the effect.
    package enum Expectation: Hashable, Sendable {
        /// The written attribute reads as this text; `nil` for an override that was cleared.
        case attribute(String?)
        /// The driver link of the device's folder names this driver; `nil` for no driver.
        case driver(ofDevice: String, is: String?)
        /// The path is there.
        case exists(String)
        /// The path is not there any more.
        case gone(String)
        /// The function is there again, with this override.
        case returned(PCIAddress, override: String)
        /// The system service is not running.
        case inactive(String)
        /// Nothing is read back: the effect itself waits until it is so.
        case seen
    }

    /// The kind of step.
    package let action: Action
    /// The group that the step belongs to.
    package let rung: Rung
    /// The kernel's name of what the step acts on: a PCI address, a platform device, a console, a driver or a module. Or
    /// systemd's name of a service; for a wait, device nodes.
    package let target: String
    /// What is done.
    package let effect: Effect
    /// Why, for a person: a clause without a full stop.
    package let reason: String
    /// What must be true afterwards; a step that does not lead to it has failed.
    package let expectation: Expectation
}

extension ClaimOptions {
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
}

extension PlanStep.Effect {
    /// The file that is written. To load a module, or to stop or start a service, the program that does it; to unload a
    /// module, its folder in /sys/module; for a wait, the device node.
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
        case .stop, .start: KernelPath.systemctl
        case .awaitClose(let nodes): nodes.first ?? ""
        }
    }

    /// What is written there, byte for byte: a lone line feed clears an override (`driver_set_override()`). To load a
    /// module, its name; for a service, `stop` or `start` and its name; empty where nothing is written.
    package var value: String {
        switch self {
        case .setOverride(let driver, _): driver ?? "\n"
        case .bind(let device, _, _), .unbind(let device, _, _): device
        case .probe(let address): address.description
        case .remove, .rescan: "1"
        case .switchConsole(_, let isBound): isBound ? "1" : "0"
        case .load(let module): module
        case .stop(let unit): "stop \(unit)"
        case .start(let unit): "start \(unit)"
        case .unload, .wait, .awaitClose: ""
        }
    }
}

extension PlanStep {
    /// The path of ``effect``.
    package var path: String { effect.path }

    /// The value of ``effect``, byte for byte.
    package var value: String { effect.value }

    /// ``value`` for a person: a lone line feed is shown as `\n`.
    package var shownValue: String {
        if case .setOverride(nil, _) = effect { "\\n" } else { value }
    }
}
