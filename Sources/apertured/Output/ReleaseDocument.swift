internal import Aperture
internal import JSONFormat
internal import Reclaim

/// The outcome of a release as JSON.
struct ReleaseDocument {
    let json: JSON

    init(_ address: PCIAddress, _ outcome: ReleaseOutcome) {
        var refusals: [Refusal] = []
        let result: String
        switch outcome.result {
        case .released: result = "released"
        case .kept: result = "kept"
        case .failed: result = "failed"
        case .refused(let why):
            result = "refused"
            refusals = why
        }
        json = .object([
            "version": .number(1),
            "gpu": .string("\(address)"),
            "result": .string(result),
            "refusals": .array(refusals.map(PlanDocument.refusal)),
            "announced": .array(outcome.announced.map { .string($0) }),
            "restored": Self.restoration(outcome.restoration),
        ])
    }

    static func restoration(_ restoration: Restoration) -> JSON {
        .object([
            "steps": .array(restoration.performed.map(PlanDocument.step)),
            "failures": .array(restoration.failures.map { .string($0.description) }),
            "losses": .array(restoration.losses.map { .string($0) }),
            "refusals": .array(restoration.refusals.map(PlanDocument.refusal)),
            "interruption": .string(restoration.interruption?.description),
        ])
    }
}

/// The outcome of a recovery as JSON.
struct RecoveryDocument {
    let json: JSON

    init(_ rows: [(PCIAddress, Restoration?)]) {
        json = .object([
            "version": .number(1),
            "gpus": .array(
                rows.map { address, result in
                    .object([
                        "gpu": .string("\(address)"),
                        "settled": .bool(result?.isFinished == true),
                        "restored": result.map(ReleaseDocument.restoration) ?? .null,
                    ])
                }),
        ])
    }
}
