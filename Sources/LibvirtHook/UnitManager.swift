package import Aperture
package import Units

/// What the service manager says of a GPU's unit.
package struct UnitState: Hashable, Sendable {
    /// `ActiveState`: `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating` …
    package var activity: String
    /// `LoadState`: `loaded`, `masked`, `not-found` …
    package var loading: String
    /// `StatusText`: the guard's own words; empty when it has said nothing.
    package var words: String

    /// A state as the service manager tells it.
    package init(activity: String, loading: String = "loaded", words: String = "") {
        self.activity = activity
        self.loading = loading
        self.words = words
    }

    /// Whether the unit runs: its card is claimed.
    var isActive: Bool { activity == "active" || activity == "reloading" }

    /// Whether somebody else has started the unit, and it is not ready yet.
    var isStarting: Bool { activity == "activating" }

    /// Whether the unit is being stopped: its guard gives the card back.
    var isEnding: Bool { activity == "deactivating" }
}

/// Starts and stops the units of GPUs. ``Systemctl`` does it on a machine.
package protocol UnitManager {
    /// Whether the system is shutting down.
    func isStopping() throws(UnitError) -> Bool
    /// Reads the unit's state.
    func state(of card: PCIAddress) throws(UnitError) -> UnitState
    /// Starts the unit, and returns when it is active: its card is claimed and proven. Starts that failed before do not
    /// count against it any more.
    func start(_ card: PCIAddress) throws(UnitError)
    /// Stops the unit, and returns when it has ended: its card is the host's again.
    func stop(_ card: PCIAddress) throws(UnitError)
}
