internal import Aperture
internal import JSONFormat
internal import PCIAccess

/// One GPU as `status` shows it.
struct GPUStatus {
    enum State: String {
        /// apertured has a record of its claim, and nothing is in its BARs.
        case claimed
        /// Someone else bound it to VFIO, and nothing is in its BARs.
        case vfio
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

    let plan: Plan
    let state: State

    /// - Parameter isRecorded: Whether apertured has a record of a finished claim; `nil` when that could not be read.
    init(plan: Plan, snapshot: Snapshot, isRecorded: Bool?) {
        self.plan = plan
        state = Self.state(plan, snapshot, isRecorded)
    }

    /// `vga` for the boot VGA device, `screen` for another GPU on which the firmware drew its screen, else `-`.
    var boot: String {
        if plan.gpu?.bootVGA == true { return "vga" }
        let isScreen = plan.attributions.contains { $0.verdict == .inBAR || $0.verdict == .inBARUnlisted }
        return isScreen ? "screen" : "-"
    }

    private static func state(_ plan: Plan, _ snapshot: Snapshot, _ isRecorded: Bool?) -> State {
        guard let gpu = plan.gpu else { return .unknown }
        if gpu.isDead { return .dead }
        guard case .entries = snapshot.memoryMap else { return .unknown }
        let open: [Refusal.Code] = [.evidenceMissing, .contradictoryEvidence]
        if plan.refusals.contains(where: { open.contains($0.code) }) { return .unknown }
        if plan.conflicts.isEmpty {
            guard gpu.isOnVFIO else { return gpu.driver == nil ? .free : .host }
            return isRecorded.map { $0 ? .claimed : .vfio } ?? .unknown
        }
        if gpu.isOnVFIO { return .blocked }
        let hasFramebuffer = plan.conflicts.contains {
            if case .framebuffer = $0.owner { true } else { false }
        }
        return hasFramebuffer ? .framebuffer : plan.gpu?.driver == nil ? .unknown : .host
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
                    "refusals": .array(row.plan.refusals.map(PlanDocument.refusal)),
                ]))
        }
        json = .object(["version": .number(1), "gpus": .array(devices)])
    }
}
