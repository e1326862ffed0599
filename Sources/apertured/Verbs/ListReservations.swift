internal import Aperture
internal import Configuration
internal import Enabling
internal import KernelFiles
internal import Reclaim

/// Prints the list that goes into an initramfs: one line for each enabled GPU.
struct ListReservations: Verb {
    var tree = FileTree()

    func run() throws(ExitStatus) {
        do {
            let enablements = EnablementReader(tree: tree)
            let units = try enablements.enabledInstances().filter(EnablementReader.isInstance).compactMap {
                PCIAddress($0)
            }
            let cards = try SnapshotReader(tree: tree).cards()
            let joint = JointEnablement(tree: tree, among: cards, isRunning: false)
            if case .unknown(let reason) = joint.cards { throw Unknown(description: reason) }
            let addresses = Set(units).union(joint.cards.value ?? []).sorted()
            guard !addresses.isEmpty else { return }
            let configuration = try ConfigurationReader(tree: tree).read()
            for address in addresses where joint.adding(to: enablements.read(address)).isEnabled == true {
                list(address, configuration, cards)
            }
        } catch {
            Terminal.fail("no GPU is reserved in the initramfs: \(error)")
            throw ExitStatus.failed
        }
    }

    /// Which cards are enabled is not known.
    private struct Unknown: Error, CustomStringConvertible {
        let description: String
    }

    private func list(_ address: PCIAddress, _ configuration: Configuration, _ cards: [CardFacts]) {
        do {
            let reader = SnapshotReader(tree: tree)
            var wish: String?
            if case .allowed(let options) = configuration.verdict(for: address, among: cards) { wish = options.driver }
            // Nothing is known of the driver of a card that is not there; the reservation says so.
            let isThere = cards.contains { $0.address == address }
            let driver = isThere ? try reader.vfioDriver(for: address, wish: wish).driver : VFIODrivers.generic
            let module = try reader.vfioDrivers().module(of: driver) ?? driver
            Terminal.print(
                try Reservation(of: address, among: cards, by: configuration, driver: driver, module: module).line)
        } catch let omission as Reservation.Omission {
            Terminal.warn("it is enabled, and not reserved in the initramfs: \(omission.reason)", about: address)
        } catch {
            Terminal.warn("it is enabled, and not reserved in the initramfs: \(error)", about: address)
        }
    }
}
