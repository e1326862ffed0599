package import Aperture
package import SystemPackage

/// The result for one BAR of one function.
package struct RegionProof: Hashable, Sendable {
    /// How the device was opened.
    package enum Interface: String, Hashable, Sendable {
        /// Group and container: `/dev/vfio/GROUP`.
        case group
        /// The device's own node with an iommufd: `/dev/vfio/devices/vfioN` (kernel 6.6 and later).
        case iommufd
    }

    /// Whether the BAR can be used, or why not.
    package enum Outcome: Hashable, Sendable {
        /// Every part that VFIO offers was mapped.
        case mapped
        /// Memory smaller than a page, which it may share with something else. VFIO offers no mapping, and a guest is
        /// served by reads and writes (`vfio_pci_probe_mmaps()`).
        case smallerThanPage
        /// I/O ports, which are never mapped.
        case ports
        /// Memory of a page or more that VFIO offers no mapping of.
        case notMappable
        /// The card has the BAR, and VFIO does not show it.
        case missing
        /// It is not known whether the card has the BAR, because its register could not be sized.
        case unsized(Errno)
        /// The BAR cannot be mapped.
        case failed(Errno)
        /// The BAR can be mapped, where VFIO offers a mapping, but not read.
        case unreadable(Errno)
    }

    /// A part of a BAR that VFIO does not let its user reach.
    package struct KeptBack: Hashable, Sendable {
        /// Byte offsets in the BAR.
        package let range: Range<UInt64>
        /// Whether the MSI-X table is in this part.
        package let holdsMSIXTable: Bool
        /// Whether the part was mapped nevertheless. Then only reads and writes through the descriptor are kept back.
        package let isMapped: Bool

        /// - Parameter range: Byte offsets in the BAR.
        package init(range: Range<UInt64>, holdsMSIXTable: Bool, isMapped: Bool) {
            self.range = range
            self.holdsMSIXTable = holdsMSIXTable
            self.isMapped = isMapped
        }
    }

    /// The function that has the BAR.
    package let address: PCIAddress
    /// The interface that the device was opened through.
    package let interface: Interface
    /// The BAR's number, 0 to 5.
    package let bar: Int
    /// In bytes; 0 when it is not known.
    package let size: UInt64
    /// What the attempt to map and read it gave.
    package let outcome: Outcome
    /// Whether a word of it was read. Only prefetchable memory is read, as a read has no side effect there (PCI Local
    /// Bus Specification 3.0, 6.2.5.1).
    package let isRead: Bool
    /// The parts that VFIO keeps back; only for a mapped BAR.
    package let keptBack: [KeptBack]

    /// - Parameters:
    ///   - bar: 0 to 5.
    ///   - size: In bytes.
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

    /// Whether it is unknown that the card has this BAR. Then the other results do not prove the whole card.
    package var isDoubt: Bool {
        if case .unsized = outcome { true } else { false }
    }

    /// Whether the BAR is missing or unusable. Ports and memory smaller than a page are no failure.
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
            case .smallerThanPage: "not mapped: its \(size) bytes are less than a page; a guest reads and writes them"
            case .ports: "\(size) I/O ports, which are never mapped"
            case .notMappable: "VFIO offers no mapping of its \(size) bytes"
            case .missing: "missing: the card has it, with \(size) bytes, but VFIO does not show it"
            case .unsized(let errno): "it is not known whether the card has it: \(errno) (errno \(errno.rawValue))"
            case .failed(let errno): "cannot map \(size) bytes: \(errno) (errno \(errno.rawValue))"
            case .unreadable(let errno): "cannot read \(size) bytes: \(errno) (errno \(errno.rawValue))"
            }
        let pieces = keptBack.map(\.description).joined()
        return "\(address) BAR \(bar): \(result)\(pieces)\(isRead ? ", read a word" : "") [\(interface.rawValue)]"
    }
}

extension RegionProof.KeptBack: CustomStringConvertible {
    /// A phrase that follows the description of what was mapped.
    package var description: String {
        let piece = "\(range.count) bytes at \(Hex(range.lowerBound))\(holdsMSIXTable ? " (MSI-X table)" : "")"
        return isMapped ? ", \(piece) kept back from reads and writes" : ", all but \(piece)"
    }
}

/// How many memory BARs there are, and how many of them were mapped.
package struct BARCount: Hashable, Sendable {
    /// All memory BARs; ports and BARs of unknown size do not count.
    package let total: Int
    /// The memory BARs that every interface mapped.
    package let mapped: Int

    /// A count from its two numbers.
    package init(total: Int, mapped: Int) {
        self.total = total
        self.mapped = mapped
    }

    /// Counts each BAR once, and as mapped when each interface mapped it.
    /// - Parameter proofs: The results of one interface or of two.
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

/// A function whose BARs are to be proven.
package struct ProofTarget: Hashable, Sendable {
    /// The function's PCI address.
    package let address: PCIAddress
    /// The number of its IOMMU group; `nil` when it is not known or there is none.
    package let group: Int?
    /// The memory BARs that the function is known to have, with their sizes in bytes; `nil` when the set is not known.
    /// VFIO cannot tell: to VFIO a BAR without room looks like a BAR that the card does not have.
    package let bars: [Int: UInt64]?
    /// Whether it is a virtual function. The physical function defines its BARs, and its own registers read zero.
    package let isVirtual: Bool

    /// - Parameters:
    ///   - group: The IOMMU group's number.
    ///   - bars: Sizes in bytes by BAR number, 0 to 5.
    package init(address: PCIAddress, group: Int?, bars: [Int: UInt64]?, isVirtual: Bool = false) {
        self.isVirtual = isVirtual
        self.address = address
        self.group = group
        self.bars = bars
    }
}

/// A reason why the results of a proof do not prove the claim.
package enum ProofComplaint: Hashable, Sendable {
    /// A BAR is missing, or could not be mapped or read.
    case region(RegionProof)
    /// A BAR that the function is known to have was not tried.
    case untried(PCIAddress, bar: Int)
    /// It is not known which BARs the function has, so a missing one would not be noticed.
    case unknownBARs(PCIAddress)
    /// No BAR was mapped.
    case nothingMapped

    /// All complaints; empty when these functions are proven.
    package static func all(of targets: [ProofTarget], _ proofs: [RegionProof]) -> [ProofComplaint] {
        var complaints = proofs.filter(\.hasFailed).map(ProofComplaint.region)
        for target in targets {
            guard let bars = target.bars else {
                complaints.append(.unknownBARs(target.address))
                continue
            }
            let tried = proofs.filter { $0.address == target.address }.map(\.bar)
            for bar in bars.keys.sorted() where !tried.contains(bar) {
                complaints.append(.untried(target.address, bar: bar))
            }
        }
        if !proofs.contains(where: { $0.outcome == .mapped }) { complaints.append(.nothingMapped) }
        return complaints
    }
}

extension ProofComplaint: CustomStringConvertible {
    package var description: String {
        switch self {
        case .region(let proof): proof.description
        case .untried(let address, let bar): "\(address) BAR \(bar) was not tried"
        case .unknownBARs(let address):
            "it is not known which BARs \(address) has, so a BAR that the kernel found no room for would not be noticed"
        case .nothingMapped: "VFIO mapped no BAR"
        }
    }
}
