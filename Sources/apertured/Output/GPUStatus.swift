internal import Aperture
internal import Enabling
internal import JSONFormat
internal import PCIAccess
internal import Reclaim
internal import Record

/// One GPU as `status` shows it.
struct GPUStatus {
    enum State: String, CaseIterable {
        /// apertured has a record of its claim, nothing is in its BARs, and nobody has it open.
        case claimed
        /// Someone else bound it to VFIO, nothing is in its BARs, and nobody has it open.
        case vfio
        /// It is on VFIO, and a process has it open, such as a guest.
        case inUse = "in use"
        /// It is on VFIO, but something is in its BARs, so a guest would fail.
        case blocked
        /// Nothing answers at its address.
        case dead
        /// A firmware framebuffer is in its BARs.
        case framebuffer
        /// A driver of the host has it.
        case host
        /// It has no driver, and nothing is in its BARs.
        case free
        /// /proc/iomem, the witnesses or the records do not tell.
        case unknown
    }

    /// The record of a GPU's claim.
    enum Claim {
        /// There is no record, or that of a claim that is not complete.
        case none
        case complete(ClaimRecord)
        /// The record cannot be read, as root alone can, or is not trusted; with the reason.
        case unknown(String)

        /// What the host's records say.
        init(of gpu: PCIAddress, on host: some Host) {
            do {
                guard let record = try host.record(of: gpu), record.state == .claimed else {
                    self = .none
                    return
                }
                self = .complete(record)
            } catch {
                self = .unknown("\(error)")
            }
        }
    }

    let plan: Plan
    let state: State
    /// The record of its complete claim; `nil` when the state is not that of a claimed GPU.
    let claim: ClaimRecord?
    /// Why it is not known whether there is a claim; `nil` when that is known.
    let claimUnknown: String?
    /// The processes that have it open, or another function that a claim takes.
    let users: [Holder]
    /// Why there may be more of them, as a sentence without its full stop; `nil` when all are known.
    let usersUnknown: String?
    /// Whether its unit is enabled, and what the initramfs did.
    let enablement: Enablement

    init(plan: Plan, snapshot: Snapshot, claim: Claim, enablement: Enablement) {
        self.plan = plan
        self.enablement = enablement
        users =
            plan.gpu.map { gpu in
                snapshot.holders(of: plan.functions.contains(gpu) ? plan.functions : [gpu])
            } ?? []
        usersUnknown = snapshot.holdersUnknown
        state = Self.state(plan, snapshot, claim, isOpen: !users.isEmpty)
        claimUnknown = if case .unknown(let reason) = claim { reason } else { nil }
        self.claim =
            if case .complete(let record) = claim, plan.gpu?.isOnVFIO == true { record } else { nil }
    }

    /// `vga` for the boot VGA device, `screen` for another GPU on which the firmware drew its screen, else `-`.
    var boot: String {
        if plan.gpu?.bootVGA == true { return "vga" }
        let isScreen = plan.attributions.contains { $0.verdict == .inBAR || $0.verdict == .inBARUnlisted }
        return isScreen ? "screen" : "-"
    }

    private static func state(_ plan: Plan, _ snapshot: Snapshot, _ claim: Claim, isOpen: Bool) -> State {
        guard let gpu = plan.gpu else { return .unknown }
        if gpu.isDead { return .dead }
        guard case .entries = snapshot.memoryMap else { return .unknown }
        let open: [Refusal.Code] = [.evidenceMissing, .contradictoryEvidence]
        if plan.refusals.contains(where: { open.contains($0.code) }) { return .unknown }
        if plan.conflicts.isEmpty {
            guard gpu.isOnVFIO else { return gpu.driver == nil ? .free : .host }
            if isOpen { return .inUse }
            return switch claim {
            case .complete: .claimed
            case .none: .vfio
            case .unknown: .unknown
            }
        }
        if gpu.isOnVFIO { return .blocked }
        let hasFramebuffer = plan.conflicts.contains {
            if case .framebuffer = $0.owner { true } else { false }
        }
        return hasFramebuffer ? .framebuffer : plan.gpu?.driver == nil ? .unknown : .host
    }
}

extension GPUStatus {
    /// What else there is to say of it in a table: each a few words.
    var details: [String] {
        plan.conflicts.map { "BAR \($0.bar): \($0.entry.name)" } + Self.processes(users).map { "used by \($0)" }
            + (claimUnknown.map { ["claim unknown: \($0)"] } ?? claimDetails) + enablementDetails
    }

    /// One text per process, whatever number of nodes it has open.
    private static func processes(_ users: [Holder]) -> [String] {
        var seen: Set<Int32> = []
        return users.filter { seen.insert($0.pid).inserted }.map(\.process)
    }

    private var enablementDetails: [String] {
        guard enablement.isEnabled == true else { return [] }
        let image: String? =
            switch enablement.image {
            case .reserved: "reserved in the initramfs"
            case .passedOver(let reason): "not reserved in the initramfs: \(reason)"
            case .absent: "not in the initramfs"
            case .noTool, .unknown: nil
            }
        let facts = ["enabled", enablement.isPinned == true ? "pinned" : nil, image]
        return [facts.compactMap(\.self).joined(separator: ", ")]
    }

    private var claimDetails: [String] {
        guard let claim else { return [] }
        let bars = claim.proof.map { "\($0.bars) BAR\($0.bars == 1 ? "" : "s") proven \(Timestamp($0.time).local)" }
        let since = claim.since.map { "claimed \(Timestamp($0).local)\(claim.unit.map { " by \($0)" } ?? "")" }
        // A record of an older program tells neither.
        return [since, bars ?? (since == nil ? nil : "not proven")].compactMap(\.self)
    }
}

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
                    "enabled": Self.boolean(row.enablement.isEnabled),
                    "pinned": Self.boolean(row.enablement.isPinned),
                    "initramfs": .string(Self.image(row.enablement.image)),
                    "claim": row.claim.map(Self.claim) ?? .null,
                    "claimUnknown": .string(row.claimUnknown),
                    "users": .array(row.users.map(Self.user)),
                    "usersUnknown": .string(row.usersUnknown),
                    "refusals": .array(row.plan.refusals.map(PlanDocument.refusal)),
                ]))
        }
        json = .object(["version": .number(1), "gpus": .array(devices)])
    }

    private static func boolean(_ value: Bool?) -> JSON { value.map { .bool($0) } ?? .null }

    private static func image(_ image: Enablement.Image) -> String {
        switch image {
        case .reserved: "reserved"
        case .passedOver: "passed-over"
        case .absent: "absent"
        case .noTool: "no-tool"
        case .unknown: "unknown"
        }
    }

    private static func claim(_ record: ClaimRecord) -> JSON {
        .object([
            "since": .string(record.since.map { Timestamp($0).utc }),
            "proven": .string(record.proof.map { Timestamp($0.time).utc }),
            "bars": record.proof.map { .number($0.bars) } ?? .null,
            "unit": .string(record.unit),
        ])
    }

    private static func user(_ holder: Holder) -> JSON {
        .object([
            "process": .number(Int(holder.pid)), "command": .string(holder.command), "unit": .string(holder.unit),
            "guest": .string(holder.guest), "node": .string(holder.node),
        ])
    }
}
