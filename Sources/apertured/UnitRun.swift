internal import Aperture
internal import Enabling
internal import Journal
internal import Reclaim
internal import Units

/// How the unit's run ended, as its `ExecStopPost=` command learns it (systemd.exec(5)), and whether systemd starts the
/// unit again.
package struct UnitRun: Hashable {
    /// `SERVICE_RESULT`: `success`, also for a stop, or what failed; `nil` outside a unit.
    package var result: String?
    /// `EXIT_CODE`: `exited`, `killed` or `dumped`.
    package var exitCode: String?
    /// `EXIT_STATUS`: a number, or a signal's name.
    package var exitStatus: String?
    /// How often systemd has restarted the unit so far (`NRestarts`).
    package var restarts = 0
    /// Whether the guard had reported that it is ready.
    package var wasReady = false

    /// A run from systemd's environment variables alone.
    package init(result: String?, exitCode: String?, exitStatus: String?) {
        self.result = result
        self.exitCode = exitCode
        self.exitStatus = exitStatus
    }

    /// The number of failed starts after which the card still stays reserved for the next try. If the host got the card
    /// in between, it would be in use at the next try, and refused. After the last of these tries the host gets it.
    private static let mostTries = 3

    /// `RestartPreventExitStatus=` of the unit.
    private static let finalStatuses: [ExitStatus] = [.usage, .refused, .notRestored]

    /// Whether the guard ended because its card went.
    package var hasCardGone: Bool { exitStatus == "\(ExitStatus.gone.rawValue)" }

    /// Whether the card stays reserved because systemd will soon start the unit again (`Restart=on-failure`).
    package var isKeptForNextTry: Bool {
        guard let result, result != "success", restarts < Self.mostTries else { return false }
        return !(exitCode == "exited" && Self.finalStatuses.contains { "\($0.rawValue)" == exitStatus })
    }

    /// Whether to undo the reservation of a card without a claim: the start failed, and no further try follows. After a
    /// run that was ready this is false, since whoever removed the record has decided what happens to the card.
    package var isReservationOver: Bool { !hasCardGone && !wasReady && !isKeptForNextTry }
}

extension UnitRun {
    /// The run of the card's unit that has just ended, from systemd's environment variables and the unit's properties.
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

/// What systemd says of the system and of a unit. Without an answer, nothing is known of either.
enum ServiceManager {
    /// Whether the system is starting up. False without a service manager.
    static func isStarting() -> Bool { (try? Services().isStarting()) ?? false }

    /// Asks Plymouth to end, in a unit of its own: its socket's name only exists in the first network namespace. Returns
    /// at once.
    /// - Returns: Why it could not be asked; `nil` when it was.
    static func endSplash() -> String? {
        MachinePrograms().run([
            "/usr/bin/systemd-run", "--no-ask-password", "--no-block", "--quiet", "--collect",
            "--property=Type=oneshot", "--property=TimeoutStartSec=10", "--description=End the boot splash",
            "plymouth", "quit",
        ])
    }

    /// Whether the system is shutting down. systemd then runs a unit's ExecStop= too, but nothing must be released: the
    /// host's drivers would take cards that are about to lose power. False without a service manager.
    static func isStopping() -> Bool { (try? Services().isStopping()) ?? false }

    /// A unit's properties by name; empty without a service manager, or when it does not answer.
    static func properties(_ names: [String], of unit: String) -> [String: String] {
        (try? Services().properties(names, of: unit)) ?? [:]
    }
}
