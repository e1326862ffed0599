package import Aperture
package import Units

/// systemd, through systemctl, which is not confined with libvirt's daemon. Each call has a deadline.
package struct Systemctl: UnitManager {
    /// For questions, in seconds.
    private static let patience: Int32 = 20
    /// For a start, in seconds: the device's job may take 30, and the unit's own start 90.
    private static let startPatience: Int32 = 150
    /// For a stop, in seconds: the unit's own stop may take 60, and the command after it as long.
    private static let stopPatience: Int32 = 150

    /// Makes no call yet.
    package init() {}

    package func isStopping() throws(UnitError) -> Bool { try Services().isStopping() }

    package func state(of card: PCIAddress) throws(UnitError) -> UnitState {
        let unit = Self.unit(card)
        let values = try Services().properties(["ActiveState", "LoadState", "StatusText"], of: unit)
        guard let activity = values["ActiveState"], let loading = values["LoadState"] else {
            throw .unreachable("systemctl show does not tell the state of \(unit)")
        }
        return UnitState(activity: activity, loading: loading, words: values["StatusText"] ?? "")
    }

    package func start(_ card: PCIAddress) throws(UnitError) {
        // The unit has a limit of starts in two hours, which is meant for a unit that fails again and again at boot.
        // A unit that is not loaded has no failures, and cannot be reset.
        _ = try? run(["reset-failed", Self.unit(card)], within: Self.patience)
        _ = try run(["start", Self.unit(card)], within: Self.startPatience)
    }

    package func stop(_ card: PCIAddress) throws(UnitError) {
        _ = try run(["stop", Self.unit(card)], within: Self.stopPatience)
    }

    /// The name of a card's unit.
    static func unit(_ card: PCIAddress) -> String { "apertured@\(card).service" }

    private func run(_ words: [String], within seconds: Int32) throws(UnitError) -> String {
        try SystemctlProgram().run(words, within: seconds)
    }
}
