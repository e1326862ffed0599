/// Refuses to unbind a function while a process has its nodes open, or while that is not known.
struct UseGate {
    let snapshot: Snapshot
    let options: ClaimOptions

    func refusals(unbinding function: PCIFunction) -> [Refusal] {
        guard let driver = function.driver else { return [] }
        // nvidia's remove() waits in the kernel, uninterruptibly, for the last close.
        let waits = driver == NvidiaModules.core
        guard waits || !options.force else { return [] }
        let holders = snapshot.holders(of: function)
        if !holders.isEmpty {
            let ending = HolderRemedy.ending(holders)
            return [
                Refusal(
                    .inUse,
                    "\(function.address) (\(driver)) is in use: "
                        + "\(holders.map(\.description).joined(separator: ", ")).",
                    remedy: waits
                        ? "\(ending): nvidia's unbind would block in the kernel." : "\(ending). Or give --force.")
            ]
        }
        guard let why = snapshot.holdersUnknown, waits || !function.nodes.isEmpty else { return [] }
        return [.holdersUnknown("\(function.address) (\(driver))", why: why, canForce: !waits)]
    }

    /// For a framebuffer on a kernel that can crash when it is unbound while its node is open.
    func refusal(unbinding framebuffer: PlatformFramebuffer) -> Refusal? {
        guard !options.force, let why = snapshot.holdersUnknown else { return nil }
        guard snapshot.framebuffers.contains(where: { $0.device == framebuffer.name }) else { return nil }
        return .holdersUnknown(framebuffer.name, why: why, canForce: true)
    }
}

extension Refusal {
    /// - Parameters:
    ///   - what: What a process may have open.
    ///   - why: Why that is not known, as a sentence without its full stop.
    ///   - canForce: Whether `--force` would go on.
    static func holdersUnknown(_ what: String, why: String, canForce: Bool) -> Refusal {
        Refusal(
            .holdersUnknown, "It is not known whether a process has \(what) open: \(why).",
            remedy:
                "Run it as root on the host, in the host's PID namespace (for a container: hostPID: true, --pid=host)"
                + (canForce ? ", or give --force." : "."))
    }
}

/// Tells a person what to do about processes that have a card or a framebuffer open: which unit to stop, which process
/// to end.
enum HolderRemedy {
    /// `Stop gdm.service (systemctl stop gdm.service), or end process 700 (Xorg)`, without its full stop.
    static func ending(_ holders: [Holder]) -> String {
        let holders = asked(holders)
        let units = units(of: holders)
        var parts: [String] = []
        if !units.isEmpty {
            let stopped = holders.filter { unit(of: $0) != nil }
            parts.append(
                "stop \(units.joined(separator: ", ")) (systemctl stop \(units.joined(separator: " "))), or end "
                    + processes(stopped))
        }
        let others = holders.filter { unit(of: $0) == nil }
        if !others.isEmpty { parts.append("end \(processes(others))") }
        let sentence = parts.joined(separator: ", and ")
        return sentence.prefix(1).uppercased() + sentence.dropFirst()
    }

    /// `Stop the guest first (systemctl stop vm.service)`, without its full stop.
    static func guest(_ holders: [Holder]) -> String {
        let units = units(of: holders)
        return "Stop the guest first" + (units.isEmpty ? "" : " (systemctl stop \(units.joined(separator: " ")))")
    }

    /// The same as a list of commands, and of processes that belong to no unit.
    static func commands(for holders: [Holder]) -> [String] {
        let holders = asked(holders)
        let units = units(of: holders)
        let others = holders.filter { unit(of: $0) == nil }
        return (units.isEmpty ? [] : ["systemctl stop \(units.joined(separator: " "))"])
            + (others.isEmpty ? [] : ["end \(processes(others))"])
    }

    /// The holders to name. systemd-logind opens a graphical session's devices for it, and leaves copies with PID 1
    /// (`FDSTORE=1`): both close them when the session ends, and are not to be stopped. They are named only where there
    /// is no other holder.
    private static func asked(_ holders: [Holder]) -> [Holder] {
        let others = holders.filter { $0.pid != 1 && $0.unit != "systemd-logind.service" }
        return others.isEmpty ? holders : others
    }

    private static func units(of holders: [Holder]) -> [String] { Set(holders.compactMap(unit)).sorted() }

    /// The unit to stop, if it is a service of the machine's own manager: systemctl would not find a unit of a user's
    /// manager or a container's, and the process of a scope was started by somebody else.
    private static func unit(of holder: Holder) -> String? {
        guard holder.isSystemUnit, let unit = holder.unit, unit.hasSuffix(".service") else { return nil }
        return holder.pid == 1 || unit == "systemd-logind.service" ? nil : unit
    }

    private static func processes(_ holders: [Holder]) -> String {
        let named = Set(
            holders.map { holder in
                holder.pid == 1 || holder.unit == "systemd-logind.service"
                    ? "the graphical session that \(holder.command) has it open for (loginctl)"
                    : "process \(holder.pid) (\(holder.command))"
            })
        return named.sorted().joined(separator: ", ")
    }
}
