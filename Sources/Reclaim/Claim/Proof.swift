package import Aperture
package import VFIO

/// Maps every BAR of a card through VFIO, and decides whether the results prove the claim.
package struct Proof<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void

    /// - Parameter tell: Receives ``ClaimEvent/proving(_:)`` and ``ClaimEvent/proved(_:)``.
    package init(host: H, tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.tell = tell
    }

    /// Proves these functions.
    /// - Parameter proofs: Receives the result of every BAR that was tried, also when this throws.
    /// - Returns: The same results.
    /// - Throws: ``ReclaimError/vfio(_:)`` when VFIO refuses a call; ``ReclaimError/unproven(_:)`` when a BAR is
    ///   missing or cannot be mapped, when the set of BARs is not known, or when no BAR was mapped.
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
