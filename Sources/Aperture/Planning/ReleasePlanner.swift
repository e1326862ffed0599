/// Plans the way from a snapshot back to a recorded state: a pure function of the two, whatever happened between them.
/// An undo in the middle of a claim, a recovery after a kill and a release all use it.
///
/// The order is not the claim's reversed: a native driver cannot be bound under an override that names another, and a
/// framebuffer must not come back before its card is free.
package struct ReleasePlanner: Sendable {
    private let prior: PriorState
    private let snapshot: Snapshot
    /// Drivers that the claim itself may have bound: VFIO's, and a native driver for a bounce.
    private let ours: Set<String>
    private let wasRemovedByUs: Bool
    private let isClaimed: Bool
    /// Modules that the claim unloaded, in the order of unloading.
    private let unloadedByUs: [String]
    private let ignoresUnknownHolders: Bool

    private var steps: [PlanStep] = []
    private var losses: [String] = []

    private init(
        _ prior: PriorState, isClaimed: Bool, _ snapshot: Snapshot, _ ours: Set<String>, _ wasRemovedByUs: Bool,
        _ unloadedByUs: [String], ignoresUnknownHolders: Bool
    ) {
        self.unloadedByUs = unloadedByUs
        self.ignoresUnknownHolders = ignoresUnknownHolders
        self.isClaimed = isClaimed
        self.wasRemovedByUs = wasRemovedByUs
        self.prior = prior
        self.snapshot = snapshot
        self.ours = ours.union(prior.functions.map(\.vfioDriver))
    }

    /// The plan, which holds steps or refusals, never both.
    /// - Parameters:
    ///   - prior: The state to go back to.
    ///   - isClaimed: Whether the card is claimed in that state.
    ///   - snapshot: The state of the machine now.
    ///   - boundByUs: Native drivers that the claim bound for a bounce.
    ///   - removedByUs: Whether the claim removed the card for a rescan; a card that is gone for another reason is a
    ///     loss.
    ///   - unloadedByUs: Modules that the claim unloaded, in the order of unloading.
    ///   - ignoresUnknownHolders: Whether to go on where it is not known who has the card open.
    package static func plan(
        backTo prior: PriorState, isClaimed: Bool = false, in snapshot: Snapshot, boundByUs: Set<String> = [],
        removedByUs: Bool = false, unloadedByUs: [String] = [], ignoresUnknownHolders: Bool = false
    ) -> ReleasePlan {
        var planner = ReleasePlanner(
            prior, isClaimed: isClaimed, snapshot, boundByUs, removedByUs, unloadedByUs,
            ignoresUnknownHolders: ignoresUnknownHolders)
        planner.build()
        let refusals = planner.refusals()
        return ReleasePlan(steps: refusals.isEmpty ? planner.steps : [], refusals: refusals, losses: planner.losses)
    }

    private mutating func build() {
        for function in prior.functions where snapshot.function(at: function.address) == nil { rescan(function) }
        for function in prior.functions.reversed() { unbind(function) }
        for function in prior.functions { restoreOverride(function) }
        let framebuffers = prior.framebuffers.filter { isOnCard($0) }
        for framebuffer in framebuffers { restoreOverride(framebuffer) }
        for module in modulesToLoad { load(module) }
        for function in prior.functions where function.awaitsProbe { probe(function) }
        for function in prior.functions where !function.awaitsProbe { bind(function) }
        for framebuffer in framebuffers { bind(framebuffer) }
        for console in prior.consoles { restoreConsole(console) }
        for function in prior.functions { compareBARs(function) }
        losses += prior.lostBARs(in: snapshot).map { "\($0)." }
    }

    /// Unbinding vfio-pci blocks in the kernel until the last user has closed the device.
    private func refusals() -> [Refusal] {
        let leaving = steps.filter { $0.action == .unbindDriver }.map(\.target)
        let functions = snapshot.functions.filter { leaving.contains($0.address.description) }
        let holders = snapshot.holders(of: functions)
        guard !holders.isEmpty else {
            guard let why = snapshot.holdersUnknown, !functions.isEmpty, !ignoresUnknownHolders else { return [] }
            let names = functions.map(\.address.description).joined(separator: ", ")
            return [.holdersUnknown(names, why: why, canForce: true)]
        }
        let named = Set(holders.map(\.description)).sorted().joined(separator: ", ")
        return [
            Refusal(
                .inUse, "The card is in use: \(named).",
                remedy: "\(HolderRemedy.guest(holders)): an unbind would block in the kernel until the card is closed.")
        ]
    }

    // MARK: - Functions

    private mutating func rescan(_ function: PriorState.Function) {
        let address = function.address
        guard wasRemovedByUs else {
            losses.append("\(address) is gone from the machine.")
            return
        }
        steps.append(
            PlanStep(
                action: .rescanBus, rung: .rescan, target: address.description,
                effect: .rescan(expecting: address, override: nil),
                reason: "\(address) was removed and has not come back",
                expectation: .exists(KernelPath.device(address))))
    }

    private mutating func unbind(_ function: PriorState.Function) {
        guard
            let driver = snapshot.function(at: function.address)?.driver, driver != function.driver
        else { return }
        guard ours.contains(driver) else {
            // Whatever driver a probe found is the right one.
            if function.awaitsProbe { return }
            losses.append("\(function.address) is bound to \(driver), and not by apertured: it stays bound.")
            return
        }
        steps.append(
            .unbind(function.address, from: driver, rung: .unbind, reason: "\(function.address) is given back"))
    }

    private mutating func restoreOverride(_ function: PriorState.Function) {
        guard let current = snapshot.function(at: function.address) else { return }
        guard current.driverOverride != function.driverOverride else { return }
        if let now = current.driverOverride, now != function.vfioDriver {
            losses.append("driver_override of \(function.address) was set to \(now) by someone else: it stays so.")
            return
        }
        steps.append(
            PlanStep(
                action: function.driverOverride == nil ? .clearDriverOverride : .setDriverOverride, rung: .override,
                target: function.address.description,
                effect: .setOverride(function.driverOverride, of: KernelPath.device(function.address)),
                reason: "restores the original value",
                expectation: .attribute(function.driverOverride)))
    }

    private mutating func bind(_ function: PriorState.Function) {
        guard
            let driver = function.driver, let current = snapshot.function(at: function.address),
            current.driver != driver
        else { return }
        guard snapshot.pciDrivers.contains(driver) else {
            // Loading the module binds it.
            if driver == NvidiaModules.core, modulesToLoad.contains(driver) { return }
            losses.append("\(driver) is no longer loaded: \(function.address) stays without a driver.")
            return
        }
        // A driver that apertured did not bind was already named as a loss.
        guard current.driver.map(ours.contains) ?? true else { return }
        // A driver's probe would take the all-ones that it reads for answers of the device.
        guard !current.isDead else {
            losses.append("\(function.address) does not answer: \(driver) is not bound to it.")
            return
        }
        steps.append(
            PlanStep(
                action: .bindDriver, rung: .rebind, target: function.address.description,
                effect: .bind(function.address.description, to: driver, on: .pci),
                reason: "\(driver) had it before the claim",
                expectation: .driver(ofDevice: KernelPath.device(function.address), is: driver)))
    }

    /// Each module after those it needs. Empty unless nvidia had the card before: an undo can go back to an earlier
    /// claim, which unloaded them.
    private var modulesToLoad: [String] {
        guard prior.functions.contains(where: { $0.driver == NvidiaModules.core }) else { return [] }
        return unloadedByUs.reversed().filter { snapshot.nvidia.module($0) == nil }
    }

    /// The module's driver takes every free card that it knows, so the override is restored before.
    private mutating func load(_ module: String) {
        steps.append(
            PlanStep(
                action: .loadDriver, rung: .probe, target: module, effect: .load(module: module),
                reason: "the claim unloaded it", expectation: .exists(KernelPath.module(module))))
    }

    /// Whichever driver the kernel finds is right, and so is none. The probe has a rung of its own, as its result
    /// decides whether the firmware's framebuffer may come back: efifb binds over a card that has its driver, and only
    /// warns (seen on 6.1).
    private mutating func probe(_ function: PriorState.Function) {
        guard let current = snapshot.function(at: function.address) else { return }
        guard current.driver == nil || current.isOnVFIO else { return }
        guard !current.isDead else {
            losses.append("\(function.address) does not answer: no driver is looked for.")
            return
        }
        steps.append(
            PlanStep(
                action: .probeDriver, rung: .probe, target: function.address.description,
                effect: .probe(function.address),
                reason: "the udev rule came before the host's own driver",
                expectation: .exists(KernelPath.device(function.address))))
    }

    private mutating func compareBARs(_ function: PriorState.Function) {
        guard let current = snapshot.function(at: function.address) else { return }
        for (index, range) in function.bars.sorted(by: { $0.key < $1.key }) {
            guard let now = current.memoryBARs.first(where: { $0.index == index })?.range, now != range else {
                continue
            }
            losses.append("BAR \(index) of \(function.address) has moved from \(range) to \(now).")
        }
    }

    // MARK: - Framebuffers and consoles

    /// Whether the framebuffer is on this card: whoever can write the record must not gain a write to another card's.
    private mutating func isOnCard(_ framebuffer: PriorState.Framebuffer) -> Bool {
        guard let current = snapshot.platformFramebuffers.first(where: { $0.name == framebuffer.name }) else {
            return true
        }
        let isOurs =
            if let parent = current.parent {
                prior.functions.contains { $0.address == parent }
            } else if let range = framebuffer.range {
                // In the BARs as they were before the claim, or, if it was evicted after a rescan, as they are now.
                prior.functions.contains { function in
                    function.bars.values.contains { $0.overlaps(range) }
                        || snapshot.function(at: function.address)?.memoryBAR(overlapping: range) != nil
                }
            } else {
                current.isLegacyVGA
            }
        if !isOurs { losses.append("\(framebuffer.name) is not a framebuffer of this card: it is left alone.") }
        return isOurs
    }

    private mutating func restoreOverride(_ framebuffer: PriorState.Framebuffer) {
        guard
            let current = snapshot.platformFramebuffers.first(where: { $0.name == framebuffer.name }),
            current.driverOverride != framebuffer.driverOverride
        else { return }
        if let now = current.driverOverride, now != KernelPath.vfioDriver {
            losses.append("driver_override of \(framebuffer.name) was set to \(now) by someone else: it stays so.")
            return
        }
        // A framebuffer that was evicted from a claimed card must not come back before the release.
        if isClaimed, current.driver == nil, framebuffer.driver != nil { return }
        steps.append(
            PlanStep(
                action: .restoreFramebufferOverride, rung: .override, target: framebuffer.name,
                effect: .setOverride(
                    framebuffer.driverOverride, of: KernelPath.platformDevice(framebuffer.name)),
                reason: "restores the original value",
                expectation: .attribute(framebuffer.driverOverride)))
    }

    /// A framebuffer may only draw again where its memory still is, and where the card still answers.
    private mutating func bind(_ framebuffer: PriorState.Framebuffer) {
        if let range = framebuffer.range, isFoundByProbe(range) { return }
        guard let current = snapshot.platformFramebuffers.first(where: { $0.name == framebuffer.name }) else {
            losses.append(
                "\(framebuffer.name) is gone: the firmware's framebuffer cannot come back before a reboot.")
            return
        }
        if framebuffer.ownsRange, let range = framebuffer.range, !isReserved(range) {
            losses.append("\(framebuffer.name) no longer reserves \(range): the rescan ended that until a reboot.")
        }
        guard let driver = framebuffer.driver else { return }
        guard current.driver == nil else { return }
        if isClaimed {
            losses.append(
                "\(framebuffer.name) is not bound again: the card stays claimed, and its release binds the device.")
            return
        }
        if let held = heldEntry(of: framebuffer) { return wait(for: held, framebuffer) }
        if let range = framebuffer.range, let why = obstacle(to: range) {
            losses.append("\(framebuffer.name) is not bound again: \(why).")
            return
        }
        steps.append(
            PlanStep(
                action: .bindFramebuffer, rung: .rebind, target: framebuffer.name,
                effect: .bind(framebuffer.name, to: driver, on: .platform),
                reason: "\(driver) had it before the claim",
                expectation: .driver(ofDevice: KernelPath.platformDevice(framebuffer.name), is: driver)))
    }

    /// Whether the probe gave the card to the host's driver, as without the udev rule: that ends the firmware's
    /// framebuffer.
    private func isFoundByProbe(_ range: AddressRange) -> Bool {
        prior.functions.contains { function in
            guard function.awaitsProbe, let current = snapshot.function(at: function.address),
                let driver = current.driver
            else { return false }
            return !ours.contains(driver) && current.memoryBARs.contains { $0.range.contains(range) }
        }
    }

    /// The driver's own entry, which is there although no driver is bound: someone has the node open. If efifb were
    /// bound again now, it would go on without an entry (`efifb_probe()` only warns), and the old entry would end under
    /// it.
    private func heldEntry(of framebuffer: PriorState.Framebuffer) -> IomemEntry? {
        guard case .entries(let tree) = snapshot.memoryMap, let range = framebuffer.range else { return nil }
        return tree.entries.first { entry in
            entry.range == range && FramebufferDriver.kind(ofEntryNamed: entry.name)?.outlivesUnbindWhileOpen == true
        }
    }

    private mutating func wait(for entry: IomemEntry, _ framebuffer: PriorState.Framebuffer) {
        let node = snapshot.framebuffers.first { $0.device == framebuffer.name }?.path ?? "/dev/fb0"
        steps.append(
            PlanStep(
                action: .awaitRelease, rung: .wait, target: framebuffer.name, effect: .wait(for: entry, node: node),
                reason: "\(entry) ends with the last close, and only then can its driver be bound again",
                expectation: .seen))
    }

    private func isReserved(_ range: AddressRange) -> Bool {
        guard case .entries(let tree) = snapshot.memoryMap else { return false }
        return tree.entries.contains { $0.range == range && FramebufferDriver.isDevicesOwn($0) }
    }

    private func obstacle(to range: AddressRange) -> String? {
        let cards = prior.functions.compactMap { snapshot.function(at: $0.address) }
        guard let card = cards.first(where: { card in card.memoryBARs.contains { $0.range.contains(range) } }) else {
            return "\(range) no longer lies in the card's BARs"
        }
        if let before = prior.functions.first(where: { $0.address == card.address }), let driver = before.driver,
            driver != before.vfioDriver
        {
            return "\(card.address) belongs to \(driver)"
        }
        if card.isDead { return "\(card.address) does not answer" }
        // A card that was on VFIO before the claim is not unbound, so refusals() does not look at its holders.
        if !snapshot.holders(of: card).isEmpty { return "\(card.address) is in use" }
        if let driver = card.driver, !ours.contains(driver) { return "\(card.address) is bound to \(driver)" }
        // vfio-pci suspends an idle card and resumes it at the unbind: only a card without a driver shows its later
        // state.
        let isFree = card.driver == nil
        return isFree && card.decodesMemory == false ? "memory decoding of \(card.address) is off" : nil
    }

    private mutating func restoreConsole(_ number: Int) {
        guard let console = snapshot.consoles.first(where: { $0.number == number }) else {
            losses.append("Console vtcon\(number), which took over from the VGA text console, is gone.")
            return
        }
        guard console.isBound == true else { return }
        steps.append(
            PlanStep(
                action: .restoreConsole, rung: .console, target: "vtcon\(number)",
                effect: .switchConsole(number, isBound: false), reason: "the VGA text console gets its terminals back",
                expectation: .attribute("0")))
    }
}
