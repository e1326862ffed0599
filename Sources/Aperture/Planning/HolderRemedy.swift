/// Tells a person what to do about processes that have a card or a framebuffer open: which unit to stop, which session
/// or process to end.
package enum HolderRemedy {
    /// `Stop gdm.service (systemctl stop gdm.service), and end process 700 (Xorg)`, without its full stop.
    package static func ending(_ holders: [Holder]) -> String {
        let ways = Set(asked(holders).map(Way.init)).sorted()
        let parts = ways.kinds.map { kind, ways in
            let names = ways.map(\.name).joined(separator: ", ")
            return "\(kind.verb) \(names)" + (Way.command(for: ways).map { " (\($0))" } ?? "")
        }
        let sentence = parts.joined(separator: ", and ")
        return sentence.prefix(1).uppercased() + sentence.dropFirst()
    }

    /// `Stop the guest 'win10' first (virsh shutdown win10)`, without its full stop.
    static func guest(_ holders: [Holder]) -> String {
        let names = Set(holders.compactMap(\.guest)).sorted().map { " '\($0)'" }.joined(separator: " and")
        let ways = Set(holders.map(Way.init)).sorted()
        let commands = ways.kinds.compactMap { Way.command(for: $0.ways) }
        return "Stop the guest\(names) first" + (commands.isEmpty ? "" : " (\(commands.joined(separator: "; ")))")
    }

    /// The same as a list of commands, and of processes for which there is none.
    static func commands(for holders: [Holder]) -> [String] {
        Set(asked(holders).map(Way.init)).sorted().kinds.map { kind, ways in
            Way.command(for: ways) ?? "\(kind.verb) \(ways.map(\.name).joined(separator: ", "))"
        }
    }

    /// The holders to name. systemd-logind opens a graphical session's devices for it, and leaves copies with PID 1
    /// (`FDSTORE=1`): both close them when the session ends, and are not to be stopped. They are named only where there
    /// is no other holder.
    private static func asked(_ holders: [Holder]) -> [Holder] {
        let others = holders.filter { !$0.isForSession }
        return others.isEmpty ? holders : others
    }
}

extension Holder {
    /// Whether it has the node open for a graphical session, which closes it.
    var isForSession: Bool { pid == 1 || unit == "systemd-logind.service" }
}

/// How a person makes a holder close what it has open.
private struct Way: Hashable {
    /// In the order in which a remedy names them.
    enum Kind: Hashable, Comparable {
        /// A service of the machine's own manager.
        case service
        /// A unit of a user's manager, by the user's id.
        case userUnit(of: UInt32)
        /// A guest of libvirt or of Proxmox.
        case guest, machine
        /// A login session.
        case session
        case process
        /// A graphical session that is not known.
        case other

        var verb: String {
            switch self {
            case .service, .userUnit, .guest, .machine: "stop"
            case .session, .process, .other: "end"
            }
        }
    }

    let kind: Kind
    /// For a person: `gdm.service`, `process 700 (Xorg)`.
    let name: String
    /// What a command calls it.
    private let id: String

    /// What is not named by systemd or by root is only put into a command if a shell takes it as it is: a user chooses
    /// the names of processes, and of control groups below the user's own.
    init(_ holder: Holder) {
        let unit = holder.unit ?? ""
        let isScope = unit.hasSuffix(".scope")
        // `session-2.scope`, `100.scope`
        let number = unit.dropLast(".scope".count)
        if holder.isForSession {
            (kind, name, id) = (.other, "the graphical session that \(holder.command) has it open for (loginctl)", "")
        } else if let user = holder.user, ServiceName.isUnit(unit) {
            (kind, name, id) = (.userUnit(of: user), "\(unit) of user \(user)", Self.quoted(unit))
        } else if holder.isSystemUnit, unit.hasSuffix(".service"), ServiceName.isUnit(unit) {
            (kind, name, id) = (.service, unit, Self.quoted(unit))
        } else if holder.isSystemUnit, isScope, unit.hasPrefix("machine-qemu"), let guest = holder.guest,
            Self.isPlain(guest)
        {
            (kind, name, id) = (.guest, "the guest '\(guest)'", guest)
        } else if holder.isSystemUnit, isScope, holder.guest != nil, UInt32(number) != nil {
            (kind, name, id) = (.machine, "the guest '\(holder.guest ?? "")'", String(number))
        } else if holder.isSystemUnit, isScope, number.hasPrefix("session-"), Self.isPlain(number) {
            let session = String(number.dropFirst("session-".count))
            (kind, name, id) = (.session, "session \(session)", session)
        } else {
            (kind, name, id) = (.process, "process \(holder.pid) (\(holder.command))", "")
        }
    }

    /// One command for ways of one kind; `nil` where a person has to find one.
    static func command(for ways: [Way]) -> String? {
        var ids: [String] = []
        for way in ways where !ids.contains(way.id) { ids.append(way.id) }
        let list = ids.joined(separator: " ")
        return switch ways.first?.kind {
        case .service: "systemctl stop \(list)"
        // Since systemd 248 (sd_bus_open_user_machine()).
        case .userUnit(let user): "systemctl --user --machine=\(user)@.host stop \(list)"
        case .guest: ids.map { "virsh shutdown \($0)" }.joined(separator: "; ")
        case .machine: ids.map { "qm shutdown \($0)" }.joined(separator: "; ")
        case .session: "loginctl terminate-session \(list)"
        case .process, .other, nil: nil
        }
    }

    /// Whether a shell takes the word as it is, and no command takes it for an option.
    private static func isPlain(_ word: some StringProtocol) -> Bool {
        !word.hasPrefix("-") && !word.isEmpty && word.utf8.allSatisfy { isPlain($0) }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// systemd writes some characters of a unit's name as `\x2d`, which a shell would change.
    private static func quoted(_ unit: String) -> String { unit.utf8.contains(UInt8(ascii: "\\")) ? "'\(unit)'" : unit }
}

extension Way: Comparable {
    static func < (left: Way, right: Way) -> Bool {
        (left.kind, left.name, left.id) < (right.kind, right.name, right.id)
    }
}

extension [Way] {
    /// The ways by their kind; they are sorted.
    fileprivate var kinds: [(kind: Way.Kind, ways: [Way])] {
        var kinds: [(kind: Way.Kind, ways: [Way])] = []
        for way in self {
            if kinds.last?.kind == way.kind {
                kinds[kinds.count - 1].ways.append(way)
            } else {
                kinds.append((way.kind, [way]))
            }
        }
        return kinds
    }
}
