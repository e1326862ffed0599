package import Aperture
internal import Configuration
package import KernelFiles

/// Reads which GPUs are enabled, from systemd's links, the configuration, and what the initramfs left in /run. It starts
/// no program, and waits for nothing.
package struct EnablementReader {
    /// What the initramfs's script leaves: a file for each GPU that it reserved, named by its address, and one with the
    /// ending ``passedOver`` for each that it did not. The udev rule and packaging/initramfs/reserve name it, too.
    package static let imageFolder = "/run/apertured-initramfs"
    /// The ending of a file that says why a listed GPU was not reserved.
    package static let passedOver = ".passed-over"

    private let tree: FileTree
    private let configuration: Fact<Configuration>
    private let hasTool: Bool

    /// Reads the configuration.
    /// - Parameter tree: The root that holds `etc`, `run` and `usr`.
    package init(tree: FileTree) {
        self.tree = tree
        do {
            configuration = .known(try ConfigurationReader(tree: tree).read())
        } catch {
            configuration = .unknown("\(error)")
        }
        hasTool = ImageTool.allCases.contains { $0.hasHook(in: tree) }
    }

    /// The unit of a GPU.
    package static func unit(_ address: PCIAddress) -> String { "apertured@\(address).service" }

    /// Reads one GPU's. The GPU need not exist.
    package func read(_ address: PCIAddress) -> Enablement {
        Enablement(
            address: address, links: links(address), mask: mask(address), pins: pins(address), image: image(address))
    }

    /// The names behind `apertured@` of the units that are enabled, as they are written: `0000:01:00.0`, but also what
    /// is no address.
    package func enabledInstances() throws(FileTreeError) -> [String] {
        var names: Set<String> = []
        for folder in EnablementLink.folders {
            for wants in try tree.listIfPresent(folder) where wants.hasSuffix(".wants") {
                names.formUnion(
                    try tree.listIfPresent("\(folder)/\(wants)").compactMap(EnablementLink.instance(ofUnit:)))
            }
        }
        return names.sorted()
    }

    /// Whether this is the name of a GPU's unit: an address in full, in the kernel's spelling. systemd has no device
    /// unit of another name, so such a unit would only wait for it.
    package static func isInstance(_ name: String) -> Bool { PCIAddress(name).map { "\($0)" == name } ?? false }

    private func links(_ address: PCIAddress) -> Fact<[String]> {
        let wants = ["sys-subsystem-pci-devices-\(address).device.wants", "multi-user.target.wants"]
        let paths = EnablementLink.folders.flatMap { folder in
            wants.map { "\(folder)/\($0)/\(Self.unit(address))" }
        }
        do {
            return .known(try paths.filter { path throws(FileTreeError) in try tree.linkTarget(path) != nil })
        } catch {
            return .unknown("\(error)")
        }
    }

    private func mask(_ address: PCIAddress) -> Fact<String?> {
        do {
            return .known(try Self.mask(of: [Self.unit(address), "apertured@.service"], in: tree))
        } catch {
            return .unknown("\(error)")
        }
    }

    /// The link to /dev/null that masks one of these units, by path; `nil` when nothing does.
    static func mask(of units: [String], in tree: FileTree) throws(FileTreeError) -> String? {
        for name in units {
            for folder in EnablementLink.folders where try tree.linkTarget("\(folder)/\(name)") == "/dev/null" {
                return "\(folder)/\(name)"
            }
        }
        return nil
    }

    private func pins(_ address: PCIAddress) -> Fact<[ConfigurationPlace]> {
        switch configuration {
        case .known(let configuration): .known(configuration.pins(of: address).map(\.place))
        case .unknown(let reason): .unknown(reason)
        }
    }

    private func image(_ address: PCIAddress) -> Enablement.Image {
        do {
            if try tree.textIfPresent("\(Self.imageFolder)/\(address)") != nil { return .reserved }
            if let reason = try tree.textIfPresent("\(Self.imageFolder)/\(address)\(Self.passedOver)") {
                return .passedOver(reason)
            }
            return hasTool ? .absent : .noTool
        } catch {
            return .unknown("\(error)")
        }
    }
}

extension Configuration {
    /// The sections because of which another card at this address would be refused. A flawed section refuses, too, but
    /// says nothing of a card.
    func pins(of address: PCIAddress) -> [GPUSection] {
        sections.filter { section in
            guard section.flaw == nil, section.address == nil || section.address == address else { return false }
            return section.id != nil || section.subsystem != nil || section.path != nil
        }
    }
}
