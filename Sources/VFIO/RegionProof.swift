package import Aperture
package import SystemPackage

/// What came of one BAR of one function.
package struct RegionProof: Hashable, Sendable {
    /// How the device was opened.
    package enum Interface: String, Hashable, Sendable {
        /// Group and container: `/dev/vfio/GROUP`.
        case group
        /// The device's own node with an iommufd: `/dev/vfio/devices/vfioN` (kernel 6.6 and later).
        case iommufd
    }

    package enum Outcome: Hashable, Sendable {
        case mapped
        /// Memory smaller than a page that something else may share: VFIO offers no mapping, and a guest is served by
        /// reads and writes (`vfio_pci_probe_mmaps()`).
        case smallerThanPage
        /// I/O ports, which are never mapped.
        case ports
        /// Memory of a page or more that VFIO offers no mapping of.
        case notMappable
        /// The card is known to have it, and VFIO does not give it.
        case missing
        /// Whether the card has it is not known: its register could not be sized.
        case unsized(Errno)
        /// It cannot be mapped.
        case failed(Errno)
        /// It can be mapped, where VFIO offers that, and not be read.
        case unreadable(Errno)
    }

    /// A piece that VFIO keeps from its user.
    package struct KeptBack: Hashable, Sendable {
        /// By its place in the BAR, in bytes.
        package let range: Range<UInt64>
        /// Whether the MSI-X table is in it.
        package let holdsMSIXTable: Bool
        /// Whether it was mapped all the same: then it is kept back from reads and writes through VFIO alone.
        package let isMapped: Bool

        package init(range: Range<UInt64>, holdsMSIXTable: Bool, isMapped: Bool) {
            self.range = range
            self.holdsMSIXTable = holdsMSIXTable
            self.isMapped = isMapped
        }
    }

    package let address: PCIAddress
    package let interface: Interface
    /// 0 to 5.
    package let bar: Int
    /// In bytes.
    package let size: UInt64
    package let outcome: Outcome
    /// Whether a word of it was read. Only of prefetchable memory: there a read has no side effect (PCI Local Bus
    /// Specification 3.0, 6.2.5.1).
    package let isRead: Bool
    package let keptBack: [KeptBack]

    package init(
        address: PCIAddress, interface: Interface, bar: Int, size: UInt64, outcome: Outcome, isRead: Bool = false,
        keptBack: [KeptBack] = []
    ) {
        self.address = address
        self.interface = interface
        self.bar = bar
        self.size = size
        self.outcome = outcome
        self.isRead = isRead
        self.keptBack = keptBack
    }

    /// Whether it leaves open what the card has, so that the others prove nothing of the whole.
    package var isDoubt: Bool {
        if case .unsized = outcome { true } else { false }
    }

    package var hasFailed: Bool {
        switch outcome {
        case .mapped, .smallerThanPage, .ports, .unsized: false
        case .notMappable, .missing, .failed, .unreadable: true
        }
    }
}

extension RegionProof: CustomStringConvertible {
    package var description: String {
        let result =
            switch outcome {
            case .mapped: "mapped \(size) bytes"
            case .smallerThanPage: "not mapped: its \(size) bytes are less than a page, a guest reads and writes them"
            case .ports: "\(size) I/O ports, which are never mapped"
            case .notMappable: "VFIO offers no mapping of its \(size) bytes"
            case .missing: "missing: the card has it, with \(size) bytes, and VFIO does not"
            case .unsized(let errno): "whether the card has it is not known: \(errno) (errno \(errno.rawValue))"
            case .failed(let errno): "cannot map \(size) bytes: \(errno) (errno \(errno.rawValue))"
            case .unreadable(let errno): "cannot read \(size) bytes: \(errno) (errno \(errno.rawValue))"
            }
        let pieces = keptBack.map(\.description).joined()
        return "\(address) BAR \(bar): \(result)\(pieces)\(isRead ? ", read a word" : "") [\(interface.rawValue)]"
    }
}

extension RegionProof.KeptBack: CustomStringConvertible {
    /// To follow what was mapped.
    package var description: String {
        let piece = "\(range.count) bytes at \(Hex(range.lowerBound))\(holdsMSIXTable ? " (MSI-X table)" : "")"
        return isMapped ? ", \(piece) kept back from reads and writes" : ", all but \(piece)"
    }
}

/// How many memory BARs there are, and how many of them were mapped.
package struct BARCount: Hashable, Sendable {
    package let total: Int
    package let mapped: Int

    package init(total: Int, mapped: Int) {
        self.total = total
        self.mapped = mapped
    }

    /// - Parameter proofs: Through one interface or two: a BAR counts once, and as mapped when each of them mapped it.
    package init(_ proofs: [RegionProof]) {
        let memory = proofs.filter { proof in
            if case .unsized = proof.outcome { false } else { proof.outcome != .ports }
        }
        let bars = Dictionary(grouping: memory) { Place(address: $0.address, bar: $0.bar) }
        total = bars.count
        mapped = bars.values.count { $0.allSatisfy { $0.outcome == .mapped } }
    }

    private struct Place: Hashable {
        let address: PCIAddress
        let bar: Int
    }
}

extension BARCount: CustomStringConvertible {
    package var description: String { "\(mapped) of \(total) \(total == 1 ? "BAR" : "BARs") mapped" }
}
