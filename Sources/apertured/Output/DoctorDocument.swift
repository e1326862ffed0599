internal import Aperture
internal import JSONFormat
internal import PCIAccess

/// A diagnosis as JSON.
struct DoctorDocument {
    let json: JSON

    init(_ cards: [DiagnosedCard], machine: [Finding]) {
        let names = DeviceNames()
        let gpus = cards.map { card -> JSON in
            .object([
                "gpu": PlanDocument.gpu(card.plan),
                "name": .string(card.plan.gpu.map { names.name(vendor: $0.vendor, device: $0.device) }),
                "claimable": .bool(card.findings.allowClaim),
                "findings": .array(card.findings.map(Self.finding)),
            ])
        }
        json = .object([
            "version": .number(1),
            "gpus": .array(gpus),
            "machine": .array(machine.map(Self.finding)),
        ])
    }

    private static func finding(_ finding: Finding) -> JSON {
        .object([
            "id": .string(finding.id),
            "mark": .string(finding.mark.rawValue),
            "subject": .string(finding.subject),
            "statement": .string(finding.statement),
            "remedy": .string(finding.remedy),
        ])
    }
}
