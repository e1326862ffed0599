/// Stops and starts services of the machine.
package struct Services {
    /// For questions, in seconds.
    private static let patience: Int32 = 20
    /// For a stop, in seconds: a display manager takes a few, and more where a session does not end.
    private static let stopPatience: Int32 = 60
    /// For a start that is waited for, in seconds.
    private static let startPatience: Int32 = 60

    private let systemctl: SystemctlProgram

    /// - Parameter systemctl: Another program for a test.
    package init(_ systemctl: SystemctlProgram = SystemctlProgram()) {
        self.systemctl = systemctl
    }

    /// Stops the service, and returns when it has stopped. systemd does a stop before a start of another service,
    /// whichever of the two is ordered first (`job_compare()`, systemd.unit(5), `Before=`): so this is right in a unit
    /// whose own start is running.
    package func stop(_ unit: String) throws(UnitError) {
        _ = try systemctl.run(["stop", unit], within: Self.stopPatience)
    }

    /// Starts the service; one that is active is left alone.
    /// - Parameter waits: Whether to return when it has started. Otherwise the start is only put into systemd's queue. It
    ///   must not be waited for in a unit: a service that is ordered after the unit starts when the unit's own start or
    ///   stop has ended, which would wait for this.
    package func start(_ unit: String, waits: Bool) throws(UnitError) {
        // Its starts are counted, so that one that fails again and again is given up; a start after each claim is none of
        // these. A service that is not loaded has no count, and its start fails.
        _ = try? systemctl.run(["reset-failed", unit], within: Self.patience)
        if waits {
            _ = try systemctl.run(["start", unit], within: Self.startPatience)
        } else {
            _ = try systemctl.run(["start", "--no-block", unit], within: Self.patience)
        }
    }

    /// Whether the service runs, or is on its way there or back.
    package func isActive(_ unit: String) throws(UnitError) -> Bool {
        let state = try property("ActiveState", of: unit)
        return state != "inactive" && state != "failed"
    }

    /// Whether the system is starting up.
    package func isStarting() throws(UnitError) -> Bool {
        ["initializing", "starting"].contains(try property("SystemState"))
    }

    /// Whether the system is shutting down.
    package func isStopping() throws(UnitError) -> Bool {
        try property("SystemState") == "stopping"
    }

    /// A unit's properties by name, as `systemctl show` writes them.
    /// - Parameter unit: `nil` for the service manager's own.
    package func properties(_ names: [String], of unit: String? = nil) throws(UnitError) -> [String: String] {
        let words = ["show", "--property=\(names.joined(separator: ","))"] + (unit.map { [$0] } ?? [])
        let lines = try systemctl.run(words, within: Self.patience).split(whereSeparator: \.isNewline)
        return lines.reduce(into: [:]) { properties, line in
            guard let equals = line.firstIndex(of: "=") else { return }
            properties[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
    }

    private func property(_ name: String, of unit: String? = nil) throws(UnitError) -> String {
        guard let value = try properties([name], of: unit)[name] else {
            throw .unreachable("systemctl show does not tell \(name)\(unit.map { " of \($0)" } ?? "")")
        }
        return value
    }
}
