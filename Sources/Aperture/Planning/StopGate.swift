/// Which of the listed units (`Stop=`) a claim stops: those that have the card open, or a framebuffer in its BARs, and
/// only if the card is free when they have stopped. Without a listed unit, and where somebody else has the card open too,
/// nothing is stopped.
struct StopGate {
    /// Stops the units, and waits until the nodes are closed; empty when nothing is stopped.
    let steps: [PlanStep]
    /// The snapshot that the other steps are planned from. With ``steps``, it is without the holders that stop. Where
    /// others are left that forbid the claim, it has those alone: they are the ones to name.
    let snapshot: Snapshot
    /// The names of the units that are stopped.
    let units: [String]

    /// What the host does not have while the claim lasts, a sentence.
    var losses: [String] {
        units.isEmpty
            ? []
            : ["\(units.joined(separator: ", ")) stops until the release, and the sessions that it has opened end."]
    }

    /// - Parameters:
    ///   - functions: The functions that the claim is to unbind.
    ///   - conflicts: What is in the GPU's BARs.
    init(_ functions: [PCIFunction], _ conflicts: [Conflict], snapshot: Snapshot, options: ClaimOptions) {
        let listed = options.stoppableUnits
        let cards = functions.filter { $0.driver != nil }
        var cardNodes = Set(cards.flatMap(\.nodes))
        if cards.contains(where: { $0.driver == NvidiaModules.core }) { cardNodes.formUnion(NvidiaModules.nodes) }
        let devices = Set(conflicts.compactMap(\.device))
        let screens = Set(snapshot.framebuffers.filter { $0.device.map(devices.contains) ?? false }.map(\.path))
        let holders = snapshot.holders.filter { cardNodes.contains($0.node) || screens.contains($0.node) }
        let endings = Endings(of: holders, by: Set(listed))
        let left = holders.filter { endings.units(ending: $0) == nil }
        let isFreed = left.isEmpty && !holders.isEmpty && !listed.isEmpty
        let names = Set(holders.compactMap(endings.units).flatMap(\.self))
        var remaining = snapshot
        if isFreed {
            remaining.holders.removeAll(where: holders.contains)
        } else if left.contains(where: { cardNodes.contains($0.node) }) {
            remaining.holders.removeAll { holder in holders.contains(holder) && !left.contains(holder) }
        }
        units = isFreed ? listed.filter(names.contains) : []
        self.snapshot = remaining
        let nodes = Set(holders.map(\.node)).sorted()
        steps =
            units.map { unit in
                let mine = holders.filter { endings.units(ending: $0)?.contains(unit) ?? false }
                return PlanStep.stop(unit, because: Set(mine.map(\.description)).sorted().joined(separator: ", "))
            } + (units.isEmpty ? [] : [.awaitClose(of: nodes, until: units)])
    }
}

/// Which holders end when which of the listed units are stopped.
private struct Endings {
    private let listed: Set<String>
    /// The units that end the other holders of a node, by the node; no key for a node with a holder that stays, or with
    /// none but a session's.
    private var unitsOfNodes: [String: Set<String>] = [:]

    init(of holders: [Holder], by listed: Set<String>) {
        self.listed = listed
        for (node, all) in Dictionary(grouping: holders, by: \.node) {
            let endings = all.filter { !$0.isForSession }.map(own)
            guard !endings.isEmpty, !endings.contains(nil) else { continue }
            unitsOfNodes[node] = Set(endings.compactMap(\.self).flatMap(\.self))
        }
    }

    /// The listed units with which the holder ends; `nil` for one that stays.
    func units(ending holder: Holder) -> Set<String>? {
        if let units = own(holder) { return units }
        // logind, and PID 1 for it, close a node when the session ends that they have it open for.
        return holder.isForSession ? unitsOfNodes[holder.node] : nil
    }

    private func own(_ holder: Holder) -> Set<String>? {
        if holder.isSystemUnit, let unit = holder.unit, listed.contains(unit) { return [unit] }
        let mine = holder.sessionServices.intersection(listed)
        guard !mine.isEmpty else { return nil }
        return holder.endsWithAnySession || mine == holder.sessionServices ? mine : nil
    }
}

extension PlanStep {
    /// Stops a system service.
    static func stop(_ unit: String, because reason: String) -> PlanStep {
        PlanStep(
            action: .stopUnit, rung: .stop, target: unit, effect: .stop(unit: unit), reason: reason,
            expectation: .inactive(unit))
    }

    /// Waits until no process has one of the nodes open.
    static func awaitClose(of nodes: [String], until units: [String]) -> PlanStep {
        let list = nodes.joined(separator: ", ")
        return PlanStep(
            action: .awaitClose, rung: .stop, target: list, effect: .awaitClose(nodes),
            reason: "the last process of \(units.joined(separator: ", ")) may close it after the unit has stopped",
            expectation: .seen)
    }

    /// Starts a system service that the claim has stopped.
    package static func start(_ unit: String) -> PlanStep {
        PlanStep(
            action: .startUnit, rung: .start, target: unit, effect: .start(unit: unit),
            reason: "the claim has stopped it", expectation: .seen)
    }
}
