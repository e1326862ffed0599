package import Aperture
internal import JSONFormat
package import Reclaim
internal import SystemPackage
internal import VFIO

/// The outcome of a claim as JSON.
package struct OutcomeDocument {
    private let json: JSON

    /// The document as it is printed.
    package var text: String { json.text }

    /// For a claim that had a plan.
    package init(_ outcome: ClaimOutcome) {
        var failure: ReclaimError?
        let result: String
        switch outcome.result {
        case .claimed: result = "claimed"
        case .nothingToDo: result = "nothing-to-do"
        case .refused: result = "refused"
        case .failed(let why):
            result = "failed"
            failure = why
        }
        json = .object([
            "version": .number(1),
            "gpu": PlanDocument.gpu(outcome.plan),
            "result": .string(result),
            "refusals": .array(outcome.plan.refusals.map(PlanDocument.refusal)),
            "conflicts": .array(outcome.plan.conflicts.map(PlanDocument.conflict)),
            "rungs": .array(outcome.rungs.map { .string($0.rawValue) }),
            "steps": .array(outcome.performed.map(PlanDocument.step)),
            "bars": Self.bars(outcome.proofs),
            "doubt": .string(outcome.doubt),
            "regions": .array(outcome.proofs.map(Self.region)),
            "undo": outcome.undo.map(ReleaseDocument.restoration) ?? .null,
            "error": .string(failure?.description),
        ])
    }

    /// For a claim that was refused before anything was read.
    package init(refused refusal: Refusal, _ address: PCIAddress) {
        json = .object([
            "version": .number(1),
            "gpu": .object(["address": .string("\(address)")]),
            "result": .string("refused"),
            "refusals": .array([PlanDocument.refusal(refusal)]),
        ])
    }

    /// For a claim that failed before there was a plan.
    package init(failed error: any Error, _ address: PCIAddress) {
        json = .object([
            "version": .number(1),
            "gpu": .object(["address": .string("\(address)")]),
            "result": .string("failed"),
            "error": .string("\(error)"),
        ])
    }

    static func region(_ proof: RegionProof) -> JSON {
        let (outcome, errno): (String, JSON) =
            switch proof.outcome {
            case .mapped: ("mapped", .null)
            case .smallerThanPage: ("smaller-than-page", .null)
            case .ports: ("ports", .null)
            case .notMappable: ("not-mappable", .null)
            case .missing: ("missing", .null)
            case .unsized(let errno): ("unknown", .number(Int(errno.rawValue)))
            case .failed(let errno): ("failed", .number(Int(errno.rawValue)))
            case .unreadable(let errno): ("unreadable", .number(Int(errno.rawValue)))
            }
        return .object([
            "address": .string("\(proof.address)"),
            "interface": .string(proof.interface.rawValue),
            "bar": .number(proof.bar),
            "size": .string("\(Hex(proof.size))"),
            "outcome": .string(outcome),
            "errno": errno,
            "read": .bool(proof.isRead),
            "kept-back": .array(proof.keptBack.map(Self.piece)),
        ])
    }

    private static func piece(_ piece: RegionProof.KeptBack) -> JSON {
        .object([
            "offset": .string("\(Hex(piece.range.lowerBound))"),
            "size": .string("\(Hex(UInt64(piece.range.count)))"),
            "msix-table": .bool(piece.holdsMSIXTable),
            "mapped": .bool(piece.isMapped),
        ])
    }

    /// How many memory BARs there are, and how many were mapped; null without a proof.
    static func bars(_ proofs: [RegionProof]) -> JSON {
        let count = BARCount(proofs)
        return proofs.isEmpty ? .null : .object(["total": .number(count.total), "mapped": .number(count.mapped)])
    }
}

/// The outcome of a verification as JSON.
package struct VerificationDocument {
    private let json: JSON

    /// The document as it is printed.
    package var text: String { json.text }

    /// The document of this report.
    package init(_ report: VerificationReport) {
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
