/// The processes that keep a card from being claimed for now, while the machine boots.
///
/// A boot splash that came up with an early native driver has the card open for some seconds. A refusal would give the
/// card to the host for the whole boot.
package struct BootUse: Hashable, Sendable {
    /// The processes to wait for; at least one.
    package let holders: [Holder]
    /// Plymouth, if it is one of them: it can be asked to end.
    package let splash: Holder?

    /// `nil` when nothing is gained by waiting: no process is in the way, the claim is refused for another reason as
    /// well, or a guest has the card.
    ///
    /// A plan that would be done is waited with for the splash alone. A framebuffer that it has open would stay in the
    /// BAR after its unbind.
    package init?(_ plan: Plan, in snapshot: Snapshot) {
        guard snapshot.holders(of: plan.functions.filter(\.isOnVFIO)).isEmpty else { return nil }
        var holders = snapshot.holders(of: plan.functions)
        for device in Set(plan.conflicts.compactMap(\.device)).sorted() {
            holders += snapshot.holders(ofDevice: device).filter { !holders.contains($0) }
        }
        switch plan.verdict {
        case .nothingToDo: return nil
        case .claim: holders = holders.filter(\.isSplash)
        case .refused:
            guard plan.refusals.allSatisfy({ $0.code == .inUse || $0.code == .framebufferHeld }) else { return nil }
        }
        guard !holders.isEmpty else { return nil }
        self.holders = holders
        splash = holders.first(where: \.isSplash)
    }
}

extension Holder {
    /// Whether it is Plymouth, started by its unit, or in the initramfs, which gave it no unit.
    fileprivate var isSplash: Bool {
        command == "plymouthd" && (unit == nil || (isSystemUnit && unit == "plymouth-start.service"))
    }
}
