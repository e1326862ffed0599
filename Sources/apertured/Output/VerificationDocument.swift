internal import Aperture
internal import JSONFormat
internal import Reclaim

/// The outcome of a verification as JSON.
struct VerificationDocument {
    let json: JSON

    init(_ report: VerificationReport) {
        json = .object([
            "version": .number(1),
            "gpu": PlanDocument.gpu(report.plan),
            "verified": .bool(report.refusal == nil && report.complaint == nil),
            "conflicts": .array(report.plan.conflicts.map(PlanDocument.conflict)),
            "refusals": .array([report.refusal].compactMap(\.self).map(PlanDocument.refusal)),
            "bars": OutcomeDocument.bars(report.proofs),
            "regions": .array(report.proofs.map(OutcomeDocument.region)),
            "error": .string(report.complaint),
        ])
    }
}
