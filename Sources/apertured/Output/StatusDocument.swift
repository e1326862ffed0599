internal import Aperture
internal import JSONFormat
internal import PCIAccess

/// The GPUs as JSON.
struct StatusDocument {
    let json: JSON

    init(_ rows: [GPUStatus]) {
        let names = DeviceNames()
        var devices: [JSON] = []
        for row in rows {
            let name = row.plan.gpu.map { names.name(vendor: $0.vendor, device: $0.device) }
            devices.append(
                .object([
                    "gpu": PlanDocument.gpu(row.plan),
                    "name": .string(name),
                    "state": .string(row.state.rawValue),
                    "apertures": .array(row.plan.gpu?.memoryBARs.map(PlanDocument.aperture) ?? []),
                    "conflicts": .array(row.plan.conflicts.map(PlanDocument.conflict)),
                    "refusals": .array(row.plan.refusals.map(PlanDocument.refusal)),
                ]))
        }
        json = .object(["version": .number(1), "gpus": .array(devices)])
    }
}
