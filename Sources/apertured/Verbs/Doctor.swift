internal import Aperture
internal import Configuration
internal import Enabling
internal import JSONFormat
internal import KernelFiles
internal import Reclaim

/// Lists everything that decides whether a guest will get a card, and what mends it.
struct Doctor: Verb {
    /// The GPUs; all of them when empty.
    var addresses: [PCIAddress] = []
    var options = ClaimOptions()
    var json = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let snapshot: Snapshot
        do {
            // This scope leaves a card asleep that sleeps, and reads what the host uses as a claim's does.
            snapshot = try host.snapshot(.all, withHolders: true)
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
        let options = host.resolved(options)
        let wanted = addresses.isEmpty ? Self.cards(of: snapshot) : addresses
        var facts = DoctorReader(tree: tree).read(for: snapshot)
        readConfiguration(of: wanted, into: &facts)
        for address in wanted { facts.records[address] = record(of: address) }
        facts.jointlyGuarded = jointlyGuarded
        let cards = wanted.map { address in
            let plan = Planner.plan(for: address, in: snapshot, options: options)
            return DiagnosedCard(plan: plan, findings: Diagnosis.findings(on: plan, in: snapshot, facts))
        }
        let machine = Diagnosis.findings(onMachineOf: snapshot, facts)
        if json {
            Terminal.print(DoctorDocument(cards, machine: machine).json.text)
        } else {
            Terminal.print(
                DoctorText(cards, machine: machine, width: Terminal.columns, isColored: Terminal.isColored).text,
                terminator: "")
        }
        if !cards.allSatisfy(\.findings.allowClaim) { throw ExitStatus.failed }
    }

    /// Every GPU, with those that could not be read.
    private static func cards(of snapshot: Snapshot) -> [PCIAddress] {
        let unreadable = snapshot.unreadable.map(\.address).filter { snapshot.classes[$0]?.isGPU ?? true }
        return Set(snapshot.gpus.map(\.address) + unreadable).sorted()
    }

    private var jointlyGuarded: Fact<[PCIAddress: String]> {
        let joint = JointEnablement(of: tree)
        // A guard in a container has no link of systemd's.
        let name = joint.link == nil ? "The guard of several cards" : "apertured.service"
        switch joint.cards {
        case .known(let cards): return .known(Dictionary(uniqueKeysWithValues: cards.map { ($0, name) }))
        case .unknown(let reason): return .unknown(reason)
        }
    }

    private func record(of address: PCIAddress) -> Fact<Bool> {
        do {
            return .known(try host.record(of: address) != nil)
        } catch {
            return .unknown("\(error)")
        }
    }

    /// What the unit would decide from apertured.conf.
    private func readConfiguration(of addresses: [PCIAddress], into facts: inout HostFacts) {
        do {
            let configuration = try ConfigurationReader(tree: tree).read()
            let cards = try SnapshotReader(tree: tree).cards()
            for address in addresses {
                facts.configuration[address] = .known(Self.refusals(configuration.verdict(for: address, among: cards)))
            }
        } catch {
            for address in addresses { facts.configuration[address] = .unknown("\(error)") }
        }
    }

    private static func refusals(_ verdict: Configuration.Verdict) -> [Refusal] {
        if case .refused(let refusals) = verdict { refusals } else { [] }
    }
}

/// A card, and how it stands.
struct DiagnosedCard {
    let plan: Plan
    let findings: [Finding]
}
