internal import Aperture
internal import KernelFiles
internal import PCIAccess
internal import Reclaim

/// Prints what a shell's completion offers for an argument, one line each: the word and, behind a tabulator, what it is.
///
/// A person waits for this behind the tabulator key. It reads what waits for no lock and wakes no card.
struct Complete: Verb {
    enum Kind: String, CaseIterable {
        /// The GPUs, with their names.
        case gpus
        /// The VFIO drivers of the running kernel.
        case drivers
        /// The drivers that may probe a GPU once.
        case nativeDrivers = "native-drivers"
    }

    var kind: Kind
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let lines: [String]
        do {
            lines =
                switch kind {
                case .gpus: try gpus()
                case .drivers: try drivers()
                case .nativeDrivers: NativeDriver.allowedToBounce.map(\.module)
                }
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
        if !lines.isEmpty { Terminal.print(lines.joined(separator: "\n")) }
    }

    private func gpus() throws -> [String] {
        let names = DeviceNames()
        let cards = try SnapshotReader(tree: tree).cards().sorted { $0.address < $1.address }
        return cards.map { card in
            guard let id = card.id else { return "\(card.address)" }
            return "\(card.address)\t\(names.name(vendor: id.vendor, device: id.device))"
        }
    }

    private func drivers() throws -> [String] {
        let variants = try SnapshotReader(tree: tree).vfioDrivers().aliases.map(\.driver)
        let named = Set(variants.filter(VFIODrivers.isNamed)).subtracting([VFIODrivers.generic])
        return [VFIODrivers.generic] + named.sorted()
    }
}
