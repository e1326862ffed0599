internal import Aperture

/// One display device, as `status` shows it.
struct GPUStatus {
    enum State: String {
        /// On vfio-pci, with nothing in its BARs.
        case claimed
        /// On vfio-pci, and a guest would fail: something is in its BARs.
        case blocked
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

    init(plan: Plan, snapshot: Snapshot) {
        self.plan = plan
        state = Self.state(plan, snapshot)
    }

    /// Whether firmware drew its screen here, or calls it the boot VGA device.
    var boot: String {
        if plan.gpu?.bootVGA == true { return "vga" }
        let isScreen = plan.attributions.contains { $0.verdict == .claims || $0.verdict == .claimsSilently }
        return isScreen ? "screen" : "-"
    }

    private static func state(_ plan: Plan, _ snapshot: Snapshot) -> State {
        guard case .claims = snapshot.memoryMap, plan.gpu != nil else { return .unknown }
        let unsettled: [Refusal.Code] = [.evidenceMissing, .contradictoryEvidence]
        if plan.refusals.contains(where: { unsettled.contains($0.code) }) { return .unknown }
        let isClaimed = plan.gpu?.driver == KernelPath.vfioDriver
        if plan.conflicts.isEmpty {
            return isClaimed ? .claimed : plan.gpu?.driver == nil ? .free : .host
        }
        if isClaimed { return .blocked }
        let hasFramebuffer = plan.conflicts.contains {
            if case .framebuffer = $0.owner { true } else { false }
        }
        return hasFramebuffer ? .framebuffer : plan.gpu?.driver == nil ? .unknown : .host
    }
}
