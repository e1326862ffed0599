internal import Aperture

/// One display device, as `status` shows it.
struct GPUStatus {
    enum State: String {
        /// Claimed by apertured, which has a record of it, with nothing in its BARs.
        case claimed
        /// On VFIO by someone else's hand, with nothing in its BARs.
        case vfio
        /// On VFIO, and a guest would fail: something is in its BARs.
        case blocked
        /// Nothing answers at its address.
        case dead
        /// A firmware framebuffer is in its BARs.
        case framebuffer
        /// The host's own driver has it.
        case host
        /// No driver, nothing in its BARs.
        case free
        /// /proc/iomem or the witnesses do not say.
        case unknown
    }

    let plan: Plan
    let state: State

    /// - Parameter isRecorded: Whether apertured has a record of a standing claim; `nil` when that could not be read.
    init(plan: Plan, snapshot: Snapshot, isRecorded: Bool?) {
        self.plan = plan
        state = Self.state(plan, snapshot, isRecorded)
    }

    /// Whether firmware drew its screen here, or calls it the boot VGA device.
    var boot: String {
        if plan.gpu?.bootVGA == true { return "vga" }
        let isScreen = plan.attributions.contains { $0.verdict == .inBAR || $0.verdict == .inBARUnlisted }
        return isScreen ? "screen" : "-"
    }

    private static func state(_ plan: Plan, _ snapshot: Snapshot, _ isRecorded: Bool?) -> State {
        guard let gpu = plan.gpu else { return .unknown }
        if gpu.isDead { return .dead }
        guard case .entries = snapshot.memoryMap else { return .unknown }
        let unsettled: [Refusal.Code] = [.evidenceMissing, .contradictoryEvidence]
        if plan.refusals.contains(where: { unsettled.contains($0.code) }) { return .unknown }
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
