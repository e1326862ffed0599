package import Aperture
package import VFIO

/// Proves a finished claim again, and writes nothing.
package struct Verifier<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void

    /// - Parameters:
    ///   - host: Its snapshot and its proof are used.
    ///   - tell: Receives the events of the proof.
    package init(host: H, tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.tell = tell
    }

    /// Checks that every function is on VFIO, that nothing else is in the BARs, and that every BAR can be mapped.
    /// - Throws: ``ReclaimError/snapshot(_:)``.
    package func verify(
        _ address: PCIAddress, options: ClaimOptions = ClaimOptions()
    ) throws(ReclaimError) -> VerificationReport {
        let snapshot: Snapshot
        do {
            snapshot = try host.snapshot(.claim(address), withHolders: false)
        } catch {
            throw .snapshot(error)
        }
        let plan = Planner.plan(for: address, in: snapshot, options: options)
        let unanswerable: [Refusal.Code] = [.noSuchDevice, .notADisplayDevice, .deviceUnreadable]
        if let refusal = plan.refusals.first(where: { unanswerable.contains($0.code) }) {
            return VerificationReport(plan: plan, refusal: refusal)
        }
        if let driver = plan.functions.first(where: { !$0.isOnVFIO }) {
            return VerificationReport(
                plan: plan,
                complaint:
                    "\(driver.address) is bound to \(driver.driver ?? "no driver"), not to vfio-pci or a variant of it")
        }
        if let refusal = plan.refusals.first {
            return VerificationReport(plan: plan, complaint: refusal.description)
        }
        var proofs: [RegionProof] = []
        var complaint: String?
        do throws(ReclaimError) {
            try Proof(host: host, tell: tell).prove(plan.functions, &proofs)
        } catch {
            complaint = error.description
        }
        if complaint == nil, let doubt = ClaimOutcome.doubt(proofs) { complaint = "not proven: \(doubt)" }
        if let conflict = plan.conflicts.first {
            complaint = "BAR \(conflict.bar) holds \(conflict.entry)" + (complaint.map { "; \($0)" } ?? "")
        }
        return VerificationReport(plan: plan, proofs: proofs, complaint: complaint)
    }
}

/// What a verification found.
package struct VerificationReport: Sendable {
    /// The plan that a claim would begin with now.
    package var plan: Plan
    /// The results of the proof; empty when it was not reached.
    package var proofs: [RegionProof] = []
    /// Why nothing could be verified: there is no such GPU, or it cannot be read.
    package var refusal: Refusal?
    /// Why the claim does not hold; `nil` when it does.
    package var complaint: String?
}

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
