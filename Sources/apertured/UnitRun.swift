internal import Aperture
internal import Journal

/// How the unit's run ended that its `ExecStopPost=` follows (systemd.exec(5), `SERVICE_RESULT`, `EXIT_CODE`,
/// `EXIT_STATUS`), and what systemd will make of it.
package struct UnitRun: Hashable {
    /// `success` for a stop as well; `nil` outside a unit.
    package var result: String?
    /// `exited`, `killed`, `dumped`.
    package var exitCode: String?
    /// A number, or a signal's name.
    package var exitStatus: String?
    /// How often the unit has been started again by itself so far (`NRestarts`).
    package var restarts = 0
    /// Whether the guard had said that it is ready.
    package var wasReady = false

    package init(result: String?, exitCode: String?, exitStatus: String?) {
        self.result = result
        self.exitCode = exitCode
        self.exitStatus = exitStatus
    }

    /// For so many tries a failing start keeps the card reserved for the next one: given to the host between two tries,
    /// it would be in use at the second, and refused. After that the host is to have it.
    private static let patience = 3

    /// `RestartPreventExitStatus=` of the unit.
    private static let finalStatuses: [ExitStatus] = [.usage, .refused, .notRestored]

    /// The guard ended because its card went.
    package var hasCardGone: Bool { exitStatus == "\(ExitStatus.gone.rawValue)" }

    /// Whether systemd starts the unit again, soon (`Restart=on-failure`), and the card stays reserved for that.
    package var isKeptForNextTry: Bool {
        guard let result, result != "success", restarts < Self.patience else { return false }
        return !(exitCode == "exited" && Self.finalStatuses.contains { "\($0.rawValue)" == exitStatus })
    }

    /// Whether a card without a claim is to be the host's again: a start that came to nothing had it reserved. After a run
    /// that was ready, whoever took the record away has decided what becomes of the card.
    package var isReservationOver: Bool { !hasCardGone && !wasReady && !isKeptForNextTry }
}

extension UnitRun {
    /// The run of a card's unit that this process follows.
    init(of address: PCIAddress, environment: Environment = .process) {
        self.init(
            result: environment["SERVICE_RESULT"], exitCode: environment["EXIT_CODE"],
            exitStatus: environment["EXIT_STATUS"])
        guard result != nil else { return }
        let properties = ServiceManager.properties(
            ["NRestarts", "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"],
            of: "apertured@\(address).service")
        restarts = properties["NRestarts"].flatMap { Int($0) } ?? 0
        let begun = properties["ExecMainStartTimestampMonotonic"].flatMap { UInt64($0) } ?? 0
        let ready = properties["ActiveEnterTimestampMonotonic"].flatMap { UInt64($0) } ?? 0
        wasReady = ready > begun
    }
}
