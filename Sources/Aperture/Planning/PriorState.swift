/// The state of what a claim changes, from before the claim: enough to give everything back.
package struct PriorState: Hashable, Sendable {
    /// One function of the claim.
    package struct Function: Hashable, Sendable {
        /// The function's address, in the slot of the GPU.
        package var address: PCIAddress
        /// The bound driver, or `nil`.
        package var driver: String?
        /// `driver_override`, or `nil` where the kernel prints `(null)`.
        package var driverOverride: String?
        /// The memory BARs by number, to know whether a rescan moved them.
        package var bars: [Int: AddressRange]
        /// Whether the host's driver never probed the function, because the udev rule came first: then a release lets
        /// the kernel look for a driver.
        package var awaitsProbe: Bool
        /// The VFIO driver that the claim binds: a release may unbind it, and clear it from the override.
        package var vfioDriver: String

        /// A function as a record describes it.
        package init(
            address: PCIAddress, driver: String?, driverOverride: String?, bars: [Int: AddressRange],
            awaitsProbe: Bool = false, vfioDriver: String = VFIODrivers.generic
        ) {
            self.awaitsProbe = awaitsProbe
            self.vfioDriver = vfioDriver
            self.address = address
            self.driver = driver
            self.driverOverride = driverOverride
            self.bars = bars
        }

        /// The function as it is now.
        /// - Parameter vfioDriver: The driver that the claim gives it.
        package init(_ function: PCIFunction, vfioDriver: String) {
            self.init(
                address: function.address, driver: function.driver, driverOverride: function.driverOverride,
                bars: Dictionary(uniqueKeysWithValues: function.memoryBARs.map { ($0.index, $0.range) }),
                vfioDriver: vfioDriver)
        }

        /// The function without what the udev rule did to it, as that is part of the claim.
        package init(beforeRule function: PCIFunction, vfioDriver: String) {
            self.init(function, vfioDriver: vfioDriver)
            guard function.isOverriddenByRule else { return }
            driverOverride = nil
            if function.isOnVFIO { driver = nil }
            awaitsProbe = driver == nil
        }
    }

    /// One platform framebuffer that the claim evicts.
    package struct Framebuffer: Hashable, Sendable {
        /// The platform device's name: `efi-framebuffer.0`.
        package var name: String
        /// The bound platform driver, or `nil`.
        package var driver: String?
        /// `driver_override`, or `nil` where the kernel prints `(null)`.
        package var driverOverride: String?
        /// Where it draws; `nil` for legacy VGA, which is in no BAR.
        package var range: AddressRange?
        /// Whether the device itself reserves the range (`BOOTFB`), besides its driver.
        package var ownsRange: Bool

        /// A framebuffer as a record describes it.
        package init(
            name: String, driver: String?, driverOverride: String?, range: AddressRange?, ownsRange: Bool = false
        ) {
            self.name = name
            self.driver = driver
            self.driverOverride = driverOverride
            self.range = range
            self.ownsRange = ownsRange
        }
    }

    /// The functions of the claim, in the order of their addresses.
    package var functions: [Function]
    /// The platform framebuffers that the claim evicts.
    package var framebuffers: [Framebuffer]
    /// The consoles that the claim binds in the place of the VGA text console, by number.
    package var consoles: [Int]

    /// A state as a record describes it.
    package init(functions: [Function], framebuffers: [Framebuffer], consoles: [Int]) {
        self.functions = functions
        self.framebuffers = framebuffers
        self.consoles = consoles
    }

    /// What the plan is about to change, as the snapshot that it was made from shows it.
    /// - Parameters:
    ///   - plan: The claim's plan.
    ///   - snapshot: The snapshot that the plan was made from.
    ///   - beforeRule: Whether the state is the one before the udev rule, which a release goes back to. An undo goes
    ///     back to the one after it, and leaves that to the next try.
    package init(_ plan: Plan, in snapshot: Snapshot, beforeRule: Bool) {
        functions = plan.functions.map { function in
            let driver = plan.drivers[function.address] ?? VFIODrivers.generic
            return beforeRule
                ? Function(beforeRule: function, vfioDriver: driver) : Function(function, vfioDriver: driver)
        }
        let names = Set(plan.conflicts.compactMap(\.device)).union(
            plan.steps.filter { $0.action == .unbindFramebuffer }.map(\.target))
        framebuffers = snapshot.platformFramebuffers.filter { names.contains($0.name) }.map { device in
            let conflict = plan.conflicts.first { $0.device == device.name }
            return Framebuffer(
                name: device.name, driver: device.driver, driverOverride: device.driverOverride,
                range: conflict?.entry.range, ownsRange: conflict?.residue != nil)
        }
        consoles = plan.steps.compactMap { step in
            if case .switchConsole(let number, true) = step.effect { number } else { nil }
        }
    }

    /// The BARs that a function had and has no longer, each a sentence; none for a function that is gone itself.
    package func lostBARs(in snapshot: Snapshot) -> [String] {
        functions.flatMap { function -> [String] in
            guard let current = snapshot.function(at: function.address) else { return [] }
            let remaining = Set(current.memoryBARs.map(\.index))
            return function.bars.sorted { $0.key < $1.key }.filter { !remaining.contains($0.key) }.map { index, range in
                "BAR \(index) of \(function.address), which was at \(range), has no address any more"
            }
        }
    }

    /// This state, with what a later claim of the same card changes for the first time. The later claim decides which
    /// VFIO driver a function gets: a variant's exact name is only known once its module is loaded.
    package func adding(_ later: PriorState) -> PriorState {
        var state = self
        for index in state.functions.indices {
            let new = later.functions.first { $0.address == state.functions[index].address }
            if let new { state.functions[index].vfioDriver = new.vfioDriver }
        }
        state.functions += later.functions.filter { new in !functions.contains { $0.address == new.address } }
        state.framebuffers += later.framebuffers.filter { new in !framebuffers.contains { $0.name == new.name } }
        state.consoles += later.consoles.filter { !consoles.contains($0) }
        return state
    }
}
