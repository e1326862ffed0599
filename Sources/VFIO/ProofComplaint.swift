package import Aperture

/// Why what VFIO gave does not prove a claim.
package enum ProofComplaint: Hashable, Sendable {
    /// A BAR that is missing, or could not be mapped or read.
    case region(RegionProof)
    /// A BAR that the function is known to have was not tried.
    case untried(PCIAddress, bar: Int)
    /// The set of BARs is not known: one that is missing would not be missed.
    case unknownBARs(PCIAddress)
    /// Nothing was mapped at all.
    case nothingMapped

    /// Everything that speaks against it; empty when these functions are proven.
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
            "it is not known which BARs \(address) has, so that one that the kernel found no room for would not be missed"
        case .nothingMapped: "VFIO mapped no BAR"
        }
    }
}
