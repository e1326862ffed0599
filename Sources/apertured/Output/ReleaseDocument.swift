package import Aperture
internal import JSONFormat
package import Reclaim

/// The outcome of a release as JSON.
package struct ReleaseDocument {
    private let json: JSON

    /// The document as it is printed.
    package var text: String { json.text }

    /// The document of this release of a GPU.
    package init(_ address: PCIAddress, _ outcome: ReleaseOutcome) {
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
package struct RecoveryDocument {
    private let json: JSON

    /// The document as it is printed.
    package var text: String { json.text }

    /// - Parameter rows: The GPUs that had a record; with `nil` where nothing was interrupted.
    package init(_ rows: [(PCIAddress, Restoration?)]) {
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
