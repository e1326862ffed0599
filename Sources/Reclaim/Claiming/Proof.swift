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
    /// - Throws: When VFIO refuses a call, when a BAR cannot be mapped, or when there is none to map.
    @discardableResult
    package func prove(
        _ functions: [PCIFunction], _ proofs: inout [RegionProof]
    ) throws(ClaimFailure) -> [RegionProof] {
        tell(.proving(functions.map(\.address)))
        let grouped = functions.compactMap { function in
            function.iommuGroup.map { (address: function.address, group: $0.number) }
        }
        do {
            proofs = try host.prove(grouped)
        } catch {
            throw .vfio(error)
        }
        tell(.proved(proofs))
        guard proofs.contains(where: { $0.outcome == .mapped }), !proofs.contains(where: \.hasFailed) else {
            throw .unproven(proofs)
        }
        return proofs
    }
}
