internal import Aperture
internal import Configuration
internal import Enabling
internal import KernelFiles
internal import Reclaim

/// Enables a GPU for all boots.
struct Enable: Verb {
    var address: PCIAddress
    /// Whether the unit is started as well.
    var now = false
    /// Whether the initramfs is made anew.
    var makesImages = true
    var tree = FileTree()

    /// What makes an enabled unit senseless, and not only refused today.
    private static let fatal: [Refusal.Code] = [.noSuchDevice, .notADisplayDevice, .deviceUnreadable]

    func run() throws(ExitStatus) {
        if let refusal = WritingVerb.begin(tree) { throw refuse([refusal]) }
        let (card, plan) = try examine()
        Terminal.print(EnableText(plan).text)
        let isFatal = plan.refusals.contains { Self.fatal.contains($0.code) }
        if isFatal || now && plan.verdict == .refused { throw refuse(plan.refusals) }
        // A card that the host uses now can be claimed at the next boot.
        plan.refusals.forEach { Terminal.warn("a claim would be refused today: \($0)", about: address) }
        if let mask = EnablementReader(tree: tree).read(address).mask.value, let mask {
            Terminal.fail("the unit is masked: remove \(mask) with 'systemctl unmask' first", about: address)
            throw ExitStatus.refused
        }
        try EnablerRun.report(address) { () throws(Enabler<MachinePrograms>.Failure) in
            try EnablerRun.enabler(address, tree).enable(
                card, startsNow: now, makesImages: makesImages && tree.isMachine)
        }
    }

    /// The card, and the plan of its claim as the unit would make it.
    private func examine() throws(ExitStatus) -> (CardFacts, Plan) {
        let configuration: Configuration
        do {
            configuration = try ConfigurationReader(tree: tree).read()
        } catch {
            throw refuse([Refusal(unreadableConfiguration: error)])
        }
        let cards: [CardFacts]
        let plan: Plan
        do {
            cards = try SnapshotReader(tree: tree).cards()
            var settings = Claimer<MachineHost>.Settings()
            switch configuration.verdict(for: address, among: cards) {
            case .allowed(let options): settings.options = options
            case .refused(let refusals): throw refuse(refusals, ofPin: configuration)
            }
            plan = try Claimer(host: host, settings: settings).plan(for: address)
        } catch let status as ExitStatus {
            throw status
        } catch {
            Terminal.fail("\(error)", about: address)
            throw ExitStatus.failed
        }
        guard let card = cards.first(where: { $0.address == address }) else {
            throw refuse(
                plan.refusals.isEmpty
                    ? [Refusal(.noSuchDevice, "No GPU is at \(address).", remedy: "See apertured status.")]
                    : plan.refusals)
        }
        return (card, plan)
    }

    /// A pin of an earlier enable may stand against the card that is there now.
    private func refuse(_ refusals: [Refusal], ofPin configuration: Configuration) -> ExitStatus {
        let path = PinFile(address, tree: tree).path
        let status = refuse(refusals)
        if configuration.sections.contains(where: { $0.place.file == path }) {
            Terminal.warn(
                "to pin the card that is there now: apertured disable \(address), and enable it", about: address)
        }
        return status
    }

    private func refuse(_ refusals: [Refusal]) -> ExitStatus {
        refusals.forEach { Terminal.refuse($0, about: address) }
        return .refused
    }
}

/// Disables a GPU for all boots.
struct Disable: Verb {
    var address: PCIAddress
    /// Whether the unit is stopped as well, which gives the card back.
    var now = false
    /// Whether the initramfs is made anew.
    var makesImages = true
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let refusal = WritingVerb.begin(tree) {
            Terminal.refuse(refusal, about: address)
            throw ExitStatus.refused
        }
        // The card need not be there any more.
        try EnablerRun.report(address) { () throws(Enabler<MachinePrograms>.Failure) in
            try EnablerRun.enabler(address, tree).disable(stopsNow: now, makesImages: makesImages && tree.isMachine)
        }
    }
}

/// What both have in common: each step is printed, and a failure with what could not be undone.
private enum EnablerRun {
    static func enabler(_ address: PCIAddress, _ tree: FileTree) -> Enabler<MachinePrograms> {
        let host = Locking().host(tree)
        return Enabler(address, tree: tree, programs: MachinePrograms(), interruption: host.interruption) {
            Terminal.print("\(address): \($0)")
        }
    }

    static func report(
        _ address: PCIAddress, _ work: () throws(Enabler<MachinePrograms>.Failure) -> Void
    ) throws(ExitStatus) {
        do {
            try work()
        } catch {
            Terminal.fail(error.reason, about: address)
            error.left.forEach { Terminal.warn("left as it is: \($0)", about: address) }
            throw error.left.isEmpty ? ExitStatus.failed : .notRestored
        }
    }
}

/// What a claim at boot would take, and what would be lost: the plan without its steps.
private struct EnableText {
    let text: String

    init(_ plan: Plan) {
        var lines = ["\(plan.address): the plan's verdict is \(plan.verdict.rawValue)"]
        for choice in plan.choices where choice.isTaken {
            let what = [choice.label, choice.driver ?? "no driver"].compactMap(\.self).joined(separator: ", ")
            lines.append("  takes \(choice.name) (\(what)): \(choice.reason)")
        }
        for warning in plan.warnings { lines.append("  warning: \(warning)") }
        for notice in plan.notices { lines.append("  note: \(notice)") }
        text = lines.joined(separator: "\n")
    }
}
