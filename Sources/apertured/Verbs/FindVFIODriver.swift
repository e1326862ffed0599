internal import Aperture
internal import Configuration
internal import KernelFiles
internal import Reclaim

/// Prints the VFIO driver that a claim would bind, or loads it.
struct FindVFIODriver: Verb {
    /// `nil` for every GPU that the configuration enables.
    var address: PCIAddress?
    var load = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if load, let refusal = WritingVerb.begin(tree) {
            if let address { Terminal.refuse(refusal, about: address) } else { Terminal.refuse(refusal) }
            throw ExitStatus.refused
        }
        do {
            let configuration = try ConfigurationReader(tree: tree).read()
            let cards = try SnapshotReader(tree: tree).cards()
            let enabled = configuration.enabled(among: cards)
            guard let address else {
                return try loadAll(
                    enabled.filter { address in cards.contains { $0.address == address } }, configuration, cards)
            }
            Terminal.print("APERTURED_DRIVER=\(try driver(of: address, configuration, cards))")
            // For the udev rule: it then looks whether apertured.service is enabled.
            if enabled.contains(address) { Terminal.print("APERTURED_CONFIGURED=1") }
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
    }

    /// One card's driver that cannot be loaded is no reason to leave the others without.
    private func loadAll(
        _ addresses: [PCIAddress], _ configuration: Configuration, _ cards: [CardFacts]
    ) throws(ExitStatus) {
        var hasFailed = false
        for address in addresses {
            do {
                _ = try driver(of: address, configuration, cards)
            } catch {
                Terminal.warn("\(error)", about: address)
                hasFailed = true
            }
        }
        if hasFailed { throw ExitStatus.failed }
    }

    private func driver(
        of address: PCIAddress, _ configuration: Configuration, _ cards: [CardFacts]
    ) throws -> String {
        var (choice, isAllowed) = try choose(address, configuration, cards)
        // The exact name of a variant driver is known only after its module is loaded. Load nothing for a refused card.
        if load, isAllowed, let module = choice.module {
            try MachineHost(tree: tree).load(module: module)
            choice = try choose(address, configuration, cards).choice
        }
        return choice.driver
    }

    private func choose(
        _ address: PCIAddress, _ configuration: Configuration, _ cards: [CardFacts]
    ) throws -> (choice: SnapshotReader.DriverChoice, isAllowed: Bool) {
        let reader = SnapshotReader(tree: tree)
        guard case .allowed(let options) = configuration.verdict(for: address, among: cards) else {
            return (try reader.vfioDriver(for: address, wish: nil), false)
        }
        return (try reader.vfioDriver(for: address, wish: options.driver), true)
    }
}
