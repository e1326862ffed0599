/// What a claim changes, as it was before: enough to give everything back.
package struct PriorState: Hashable, Sendable {
    package struct Function: Hashable, Sendable {
        package var address: PCIAddress
        package var driver: String?
        package var driverOverride: String?
        /// The memory BARs, to know whether a rescan moved them.
        package var bars: [Int: AddressRange]
        /// Whether the host's driver never had its chance, because the udev rule came first: giving back is letting the
        /// kernel look for a driver.
        package var awaitsProbe: Bool

        package init(
            address: PCIAddress, driver: String?, driverOverride: String?, bars: [Int: AddressRange],
            awaitsProbe: Bool = false
        ) {
            self.awaitsProbe = awaitsProbe
            self.address = address
            self.driver = driver
            self.driverOverride = driverOverride
            self.bars = bars
        }

        /// The function as it is now.
        package init(_ function: PCIFunction) {
            self.init(
                address: function.address, driver: function.driver, driverOverride: function.driverOverride,
                bars: Dictionary(uniqueKeysWithValues: function.memoryBARs.map { ($0.index, $0.range) }))
        }

        /// The function without what the udev rule did to it: that is part of the claim.
        package init(beforeRule function: PCIFunction) {
            self.init(function)
            guard function.isOverriddenByRule else { return }
            driverOverride = nil
            if driver == KernelPath.vfioDriver { driver = nil }
            awaitsProbe = driver == nil
        }
    }

    package struct Framebuffer: Hashable, Sendable {
        /// The platform device.
        package var name: String
        package var driver: String?
        package var driverOverride: String?
        /// Where it draws; `nil` for legacy VGA, which is in no BAR.
        package var range: AddressRange?
        /// Whether the device itself claims the range (`BOOTFB`), besides its driver.
        package var ownsRange: Bool

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

    /// The functions of the claim, the slot's order.
    package var functions: [Function]
    package var framebuffers: [Framebuffer]
    /// The consoles that the claim binds in the place of the VGA text console, by number.
    package var consoles: [Int]

    package init(functions: [Function], framebuffers: [Framebuffer], consoles: [Int]) {
        self.functions = functions
        self.framebuffers = framebuffers
        self.consoles = consoles
    }

    /// What the plan is about to change, as the snapshot that it was made from shows it.
    /// - Parameter ruleAside: Whether what the udev rule did counts as changed already: for a release it does, and an
    ///   undo leaves it to the next try.
    package init(_ plan: Plan, in snapshot: Snapshot, ruleAside: Bool) {
        functions = plan.functions.map { ruleAside ? Function(beforeRule: $0) : Function($0) }
        let names = Set(plan.conflicts.compactMap(\.device)).union(
            plan.steps.filter { $0.action == .unbindFramebuffer }.map(\.target))
        framebuffers = snapshot.platformFramebuffers.filter { names.contains($0.name) }.map { device in
            let conflict = plan.conflicts.first { $0.device == device.name }
            return Framebuffer(
                name: device.name, driver: device.driver, driverOverride: device.driverOverride,
                range: conflict?.claim.range, ownsRange: conflict?.leavesResidue ?? false)
        }
        consoles = plan.steps.filter { $0.action == .handOverConsole }.compactMap { Int($0.target.dropFirst(5)) }
    }

    /// This state, with what a later claim of the same card changes for the first time.
    package func adding(_ later: PriorState) -> PriorState {
        var state = self
        state.functions += later.functions.filter { new in !functions.contains { $0.address == new.address } }
        state.framebuffers += later.framebuffers.filter { new in !framebuffers.contains { $0.name == new.name } }
        state.consoles += later.consoles.filter { !consoles.contains($0) }
        return state
    }
}
