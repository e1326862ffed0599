internal import Aperture
internal import Configuration
internal import KernelFiles
internal import Reclaim

/// Prints the VFIO driver that a claim would bind.
struct FindVFIODriver: Verb {
    var address: PCIAddress
    var load = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if load, let refusal = WritingVerb.begin(tree) {
            Terminal.refuse(refusal, about: address)
            throw ExitStatus.refused
        }
        do {
            var (choice, isAllowed) = try choose()
            // The exact name of a variant driver is known only after its module is loaded. Load nothing for a refused
            // card.
            if load, isAllowed, let module = choice.module {
                try MachineHost(tree: tree).load(module: module)
                choice = try choose().choice
            }
            Terminal.print("APERTURED_DRIVER=\(choice.driver)")
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
    }

    private func choose() throws -> (choice: SnapshotReader.DriverChoice, isAllowed: Bool) {
        let configuration = try ConfigurationReader(tree: tree).read()
        let reader = SnapshotReader(tree: tree)
        let verdict = configuration.verdict(for: address, among: try reader.cards())
        guard case .allowed(let options) = verdict else {
            return (try reader.vfioDriver(for: address, wish: nil), false)
        }
        return (try reader.vfioDriver(for: address, wish: options.driver), true)
    }
}
