package import Aperture

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
