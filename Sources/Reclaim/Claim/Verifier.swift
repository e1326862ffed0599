package import Aperture
package import VFIO

/// Proves a claim that stands, without changing it.
package struct Verifier<H: Host> {
    private let host: H

    package init(host: H) {
        self.host = host
    }

    /// - Throws: When the snapshot cannot be read.
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
            try Proof(host: host).prove(plan.functions, &proofs)
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
    package var plan: Plan
    package var proofs: [RegionProof] = []
    /// The question makes no sense: there is no such GPU.
    package var refusal: Refusal?
    /// Why the claim does not hold; `nil` when it does.
    package var complaint: String?
}
