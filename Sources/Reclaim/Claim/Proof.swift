package import Aperture
package import VFIO

/// Maps every BAR of a card, and says whether that is enough.
package struct Proof<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void

    package init(host: H, tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.tell = tell
    }

    /// - Parameter proofs: Every BAR that was tried, also when the proof fails.
    /// - Returns: The same.
    /// - Throws: When VFIO refuses a call, when a BAR is missing or cannot be mapped, when it is not known which ones there
    ///   are, or when there is none.
    @discardableResult
    package func prove(
        _ functions: [PCIFunction], _ proofs: inout [RegionProof]
    ) throws(ReclaimError) -> [RegionProof] {
        tell(.proving(functions.map(\.address)))
        let targets = functions.map { function in
            ProofTarget(
                address: function.address, group: function.iommuGroup?.number,
                bars: Dictionary(
                    uniqueKeysWithValues: function.memoryBARs.map { ($0.index, UInt64(clamping: $0.range.size)) }),
                isVirtual: function.physicalFunction != nil)
        }
        do {
            proofs = try host.prove(targets)
        } catch {
            throw .vfio(error)
        }
        tell(.proved(proofs))
        let complaints = ProofComplaint.all(of: targets, proofs)
        guard complaints.isEmpty else { throw .unproven(complaints) }
        return proofs
    }
}
