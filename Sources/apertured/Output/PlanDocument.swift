internal import Aperture
internal import JSONFormat

/// A plan as JSON: stable keys, addresses in lowercase hexadecimal, ends inclusive.
struct PlanDocument {
    let json: JSON

    init(_ plan: Plan) {
        json = .object([
            "version": .number(1),
            "gpu": Self.gpu(plan),
            "taken": .array(plan.choices.filter(\.isTaken).map(Self.choice)),
            "left": .array(plan.choices.filter { !$0.isTaken }.map(Self.choice)),
            "apertures": .array(plan.gpu?.memoryBARs.map(Self.aperture) ?? []),
            "conflicts": .array(plan.conflicts.map(Self.conflict)),
            "verdict": .string(plan.verdict.rawValue),
            "refusals": .array(plan.refusals.map(Self.refusal)),
            "warnings": .array(plan.warnings.map { .string($0) }),
            "notices": .array(plan.notices.map { .string($0) }),
            "steps": .array(plan.steps.map(Self.step)),
        ])
    }

    static func choice(_ choice: FunctionSelection.Choice) -> JSON {
        .object([
            "name": .string(choice.name),
            "class": .string(choice.label),
            "driver": .string(choice.driver),
            "reason": .string(choice.reason),
        ])
    }

    static func gpu(_ plan: Plan) -> JSON {
        guard let gpu = plan.gpu else { return .object(["address": .string("\(plan.address)")]) }
        return .object([
            "address": .string("\(gpu.address)"),
            "class": .string("\(gpu.pciClass)"),
            "vendor": .string("\(Hex(gpu.vendor, digits: 4))"),
            "device": .string("\(Hex(gpu.device, digits: 4))"),
            "bootVGA": gpu.bootVGA.map { .bool($0) } ?? .null,
            "driver": .string(gpu.driver),
            "iommuGroup": gpu.iommuGroup.map { .number($0.number) } ?? .null,
            "physicalFunction": .string(gpu.physicalFunction.map { "\($0)" }),
            "vfioDriver": .string(plan.drivers[gpu.address]),
            "functions": .array(plan.functions.map { .string("\($0.address)") }),
        ])
    }

    static func aperture(_ bar: BaseAddressRegister) -> JSON {
        .object([
            "bar": .number(bar.index),
            "start": .string("\(Hex(bar.range.start))"),
            "end": .string("\(Hex(bar.range.last))"),
            "prefetchable": .bool(bar.isPrefetchable),
            "is64Bit": .bool(bar.is64Bit),
        ])
    }

    static func conflict(_ conflict: Conflict) -> JSON {
        .object([
            "bar": .number(conflict.bar),
            "start": .string("\(Hex(conflict.entry.range.start))"),
            "end": .string("\(Hex(conflict.entry.range.last))"),
            "owner": .string(conflict.entry.name),
            "device": .string(conflict.device),
            "driver": .string(conflict.driver),
            "witnesses": .array(conflict.witnesses.map { .string($0.rawValue) }),
        ])
    }

    static func refusal(_ refusal: Refusal) -> JSON {
        .object([
            "code": .string(refusal.code.rawValue),
            "message": .string(refusal.message),
            "remedy": .string(refusal.remedy),
        ])
    }

    static func step(_ step: PlanStep) -> JSON {
        .object([
            "action": .string(step.action.rawValue),
            "target": .string(step.target),
            "path": .string(step.path),
            "value": .string(step.value),
            "reason": .string(step.reason),
            "rung": .string(step.rung.rawValue),
        ])
    }
}
