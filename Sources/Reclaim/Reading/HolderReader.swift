package import Aperture
internal import CLinux
package import KernelFiles
internal import SystemPackage

/// Finds the processes that have device nodes open or mapped, through `/proc/PID/fd`, `/proc/PID/maps` and
/// `/proc/PID/map_files`.
///
/// It compares the device number behind each link, never the link's text; see ``DeviceNodes``.
package struct HolderReader {
    /// What the search found.
    package struct Reading {
        /// One holder per process and node.
        package var holders: [Holder] = []
        /// Why there may be more holders, a sentence without its full stop; `nil` when every process was examined.
        package var unknown: String?
    }

    /// The time limits of the search, in milliseconds.
    package struct Deadlines {
        /// For one process. A process with as many mappings as the kernel allows takes a few hundred milliseconds.
        package var process: Int32 = 2000
        /// For all processes together.
        package var all: Int32 = 10_000

        /// The usual limits.
        package init() {}
    }

    private let tree: FileTree
    private let nodes: DeviceNodes
    private let spared: Int32?
    private let deadlines: Deadlines
    private let tick: () -> Bool

    /// - Parameters:
    ///   - names: The nodes to look for, by the host's names.
    ///   - spared: The process to leave out: this one, on the machine.
    ///   - tick: Called several times a second meanwhile; returns false to stop.
    package init(
        _ names: Set<String>, in tree: FileTree, sparing spared: Int32?, deadlines: Deadlines = Deadlines(),
        tick: @escaping () -> Bool = { true }
    ) {
        self.tree = tree
        self.spared = spared
        self.deadlines = deadlines
        self.tick = tick
        nodes = DeviceNodes(names, in: tree)
    }

    /// Searches all processes. It does not throw: an error makes the holders unknown.
    package func read() -> Reading {
        var reading = Reading()
        let processes: [Int32]
        do {
            processes = try tree.list("/proc").compactMap { Int32($0) }.sorted().filter { $0 != spared }
        } catch {
            reading.unknown = "the processes could not be listed: \(error)"
            return reading
        }
        reading.unknown = ProcessTable(tree: tree).whatHides(from: processes, sparing: spared)
        if let node = nodes.unknown.first, reading.unknown == nil {
            reading.unknown = "the device number of \(node) could not be read"
        }
        var held: [Int32: Set<String>] = [:]
        let findings: [Finding]
        do throws(Errno) {
            findings = try tree.isMachine ? search(processes) : processes.flatMap(search(below:))
        } catch {
            reading.unknown = reading.unknown ?? "the processes could not be looked through: \(error)"
            return reading
        }
        for finding in findings {
            switch finding.found {
            case .success(let node):
                held[finding.process, default: []].insert(node)
                tree.log?.note("/proc/\(finding.process)", .holds(node))
            case .failure(let errno):
                let folder = "/proc/\(finding.process)/fd"
                tree.log?.note(folder, .failed(FileTreeError(.list, folder, errno)))
                let who = "process \(finding.process) (\(command(of: finding.process)))"
                let why = errno == .timedOut ? "it has not answered in time" : "\(errno)"
                reading.unknown = reading.unknown ?? "what \(who) has open could not be read: \(why)"
            }
        }
        let sessions = SessionReader(tree: tree)
        var guests = GuestReader(tree: tree, tick: tick)
        for (process, nodes) in held.sorted(by: { $0.key < $1.key }) {
            let (command, unit) = (command(of: process), ControlGroup(of: "\(process)", in: tree))
            let guest = guests.name(of: process, command, holding: nodes)
            let services = sessions.services(of: process, unit)
            reading.holders += nodes.sorted().map { node in
                var holder = Holder(
                    pid: process, command: command, node: node, unit: unit.unit, isSystemUnit: unit.isSystemUnit,
                    user: unit.user, guest: guest)
                holder.sessionServices = services
                // The sound server is in that slice too, and serves all sessions of the user.
                holder.endsWithAnySession = unit.isDesktop && !node.hasPrefix("/dev/snd/")
                return holder
            }
        }
        return reading
    }

    /// A node that a process has open or mapped, or the error that may hide one.
    private struct Finding {
        let process: Int32
        let found: Result<String, Errno>
    }

    // MARK: - The machine

    /// More than all processes of a machine have open of a few devices.
    private static let mostFindings = 8192

    private func search(_ processes: [Int32]) throws(Errno) -> [Finding] {
        var found = [clinux_holding](repeating: clinux_holding(), count: Self.mostFindings)
        var count = 0
        let error = unsafe withTick(tick) { tick in
            unsafe processes.withUnsafeBufferPointer { processes in
                unsafe nodes.numbers.withUnsafeBufferPointer { numbers in
                    var wanted = unsafe clinux_search(
                        processes: processes.baseAddress, process_count: processes.count, devices: numbers.baseAddress,
                        device_count: numbers.count, process_deadline: deadlines.process, deadline: deadlines.all,
                        tick: tick)
                    return unsafe clinux_find_holders(&wanted, &found, found.count, &count)
                }
            }
        }
        guard error == 0 else { throw Errno(rawValue: error) }
        return found.prefix(count).map { entry in
            Finding(
                process: entry.process,
                found: entry.error == 0
                    ? .success(nodes.nodes[Int(entry.device)]) : .failure(Errno(rawValue: entry.error)))
        }
    }

    // MARK: - Below another root

    /// Below another root a descriptor is a symbolic link, and the file at its target counts; see
    /// ``DeviceNodes/node(at:)``. A process that ends meanwhile holds nothing.
    private func search(below process: Int32) -> [Finding] {
        var held: Set<String> = []
        var errors: [Errno] = []
        let parts = [{ try linkedNodes(of: process, &held) }, { try mappedNodes(of: process, &held) }]
        for part in parts {
            do {
                try part()
            } catch let error as FileTreeError {
                if !error.isAbsence { errors.append(error.errno) }
            } catch {
                errors.append(.ioError)
            }
        }
        return held.map { Finding(process: process, found: .success($0)) }
            + errors.map { Finding(process: process, found: .failure($0)) }
    }

    private func linkedNodes(of process: Int32, _ held: inout Set<String>) throws(FileTreeError) {
        for descriptor in try tree.list("/proc/\(process)/fd") {
            guard let target = try tree.linkTarget("/proc/\(process)/fd/\(descriptor)") else { continue }
            if let node = nodes.node(at: target) { held.insert(node) }
        }
    }

    private func mappedNodes(of process: Int32, _ held: inout Set<String>) throws(FileTreeError) {
        try tree.forEachLine("/proc/\(process)/maps") { line in
            guard let path = MapsLine.path(line), let node = nodes.node(at: path) else { return }
            held.insert(node)
        }
    }

    /// The process's name. The process chooses it itself, so remove what a terminal would obey.
    private func command(of process: Int32) -> String {
        // The process may have ended.
        (try? tree.text("/proc/\(process)/comm"))?.printable ?? "?"
    }
}

/// Reads the names of guests from the command lines of QEMU's processes.
private struct GuestReader {
    let tree: FileTree
    let tick: () -> Bool
    /// How long all command lines together may still take, in milliseconds. A name is only a help, and not worth a long
    /// wait.
    private var left: Int32 = 1000

    init(tree: FileTree, tick: @escaping () -> Bool) {
        self.tree = tree
        self.tick = tick
    }

    /// The name of the process's guest; `nil` for a process that is not QEMU's, and where no name could be read.
    /// - Parameters:
    ///   - process: The process.
    ///   - command: Its name. QEMU can change it (`-name process=`), so one that has a card on VFIO open also counts.
    ///   - nodes: The nodes that it has open.
    mutating func name(of process: Int32, _ command: String, holding nodes: Set<String>) -> String? {
        guard GuestName.isQEMU(command) || nodes.contains(where: { $0.hasPrefix("/dev/vfio/") }), left > 0 else {
            return nil
        }
        return GuestName.read(from: commandLine(of: process))
    }

    /// The beginning of `/proc/PID/cmdline`; empty where it cannot be read.
    private mutating func commandLine(of process: Int32) -> [UInt8] {
        guard tree.isMachine else {
            // The name is missing then, and nothing else.
            let bytes = (try? tree.regularBytes("/proc/\(process)/cmdline")) ?? []
            return Array(bytes.prefix(Int(CLINUX_COMMAND_LINE_SIZE)))
        }
        var size = 0
        let tick = tick
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(CLINUX_COMMAND_LINE_SIZE)) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            // Nothing is read after an error.
            _ = unsafe withTick(tick) { tick in
                unsafe base.withMemoryRebound(to: CChar.self, capacity: buffer.count) { text in
                    unsafe clinux_command_line(process, &left, tick, text, &size)
                }
            }
            count = size
        }
        return bytes
    }
}

/// The systemd unit that a process belongs to, by its control group: `0::/system.slice/gdm.service`.
struct ControlGroup {
    /// The innermost unit.
    private(set) var unit: String?
    /// Whether the unit belongs to the machine's own service manager, and not to a user's or a container's.
    private(set) var isSystemUnit = false
    /// The id of the user whose own manager has the unit: `user@1000.service/app.slice/steam.service`.
    private(set) var user: UInt32?
    /// Whether that manager has it in `session.slice`, for the essential parts of a desktop (systemd.special(7)).
    private(set) var isDesktop = false

    /// - Parameter process: A process ID, or `self`.
    init(of process: String, in tree: FileTree) {
        // The process may have ended.
        guard let groups = try? tree.text("/proc/\(process)/cgroup") else { return }
        for line in groups.split(whereSeparator: \.isNewline) {
            let units = line.split(separator: "/").filter { $0.hasSuffix(".service") || $0.hasSuffix(".scope") }
            guard let last = units.last else { continue }
            unit = String(last).printable
            isSystemUnit = units.count == 1
            user = units.count == 2 ? Self.user(ofManager: units[0]) : nil
            isDesktop = user != nil && line.split(separator: "/").contains("session.slice")
        }
    }
}

extension ControlGroup {
    private static func user(ofManager unit: Substring) -> UInt32? {
        guard unit.hasPrefix("user@") else { return nil }
        return UInt32(unit.dropFirst("user@".count).dropLast(".service".count))
    }
}

/// Whether /proc shows every process of the machine.
private struct ProcessTable {
    let tree: FileTree

    /// The first PID namespace, which contains all others: PROC_PID_INIT_INO of the kernel (`include/linux/proc_ns.h`).
    private static let first = "pid:[4026531836]"

    /// - Parameter processes: The listed processes.
    /// - Returns: Why there may be more processes; `nil` when there is no sign of that.
    func whatHides(from processes: [Int32], sparing spared: Int32?) -> String? {
        if let other = foreignNamespace {
            return "/proc shows the processes of another PID namespace than the host's (\(other))"
        }
        if tree.isMachine || hidesProcesses, !processes.contains(1), spared != 1 {
            return "/proc hides other users' processes (hidepid=)"
        }
        return nil
    }

    /// The namespace whose processes /proc shows, when it is not the first; `nil` when it is, or when nothing tells.
    var foreignNamespace: String? {
        // /proc belongs to the first namespace if this process is in that namespace, or if the /proc's process 1 is: a
        // container may have the host's /proc.
        let seen = [namespace(of: "self"), namespace(of: "1")]
        return seen.contains(Self.first) ? nil : seen.compactMap(\.self).first
    }

    /// Whether a captured tree's /proc was mounted with `hidepid`. On the machine a hidden process 1 decides.
    private var hidesProcesses: Bool {
        // Without the file there is no sign of `hidepid`.
        guard let mounts = try? tree.text("/proc/self/mountinfo") else { return false }
        return mounts.split(separator: "\n").contains { line in
            line.containsText(" - proc ") && line.containsText("hidepid=") && !line.containsText("hidepid=0")
                && !line.containsText("hidepid=off")
        }
    }

    private func namespace(of process: String) -> String? {
        // Not everyone may read the link, and not every tree has it. Hidden processes then show one by one.
        try? tree.linkTarget("/proc/\(process)/ns/pid")
    }
}

extension Refusal {
    /// The refusal of a guard in a container that does not see the host's processes: it could never tell who has a card
    /// open, nor that a late one has it. `nil` where /proc is the host's, or nothing tells.
    package static func foreignProcesses(in tree: FileTree) -> Refusal? {
        guard let other = ProcessTable(tree: tree).foreignNamespace else { return nil }
        return Refusal(
            .holdersUnknown, "/proc shows the processes of another PID namespace than the host's (\(other)).",
            remedy:
                "Who has a card open is then not known. Run the container with the host's processes: --pid host, or "
                + "hostPID: true.")
    }
}

/// One line of `/proc/PID/maps`: see clinux_maps.h.
package enum MapsLine {
    /// The path of the mapped file; `nil` for anonymous memory. It works on bytes, because Swift takes a "\r" at a
    /// name's end and the line feed after it for one character.
    package static func path(_ line: ArraySlice<UInt8>) -> String? {
        unsafe line.withUnsafeBytes { bytes in
            var mapping = unsafe clinux_mapping()
            guard let base = bytes.baseAddress,
                unsafe clinux_mapping_of_line(base.assumingMemoryBound(to: CChar.self), bytes.count, &mapping)
            else { return nil }
            return unsafe String(
                decoding: UnsafeRawBufferPointer(start: mapping.path, count: mapping.path_length), as: UTF8.self)
        }
    }
}

/// `/proc/PID/stat` (proc(5)).
package enum ProcessStat {
    /// The process's start time, field 22, in clock ticks since the boot; `nil` for a process that has ended, or is a
    /// zombie.
    package static func startTime(of process: Int32) -> UInt64? {
        guard let text = try? FileTree().text("/proc/\(process)/stat") else { return nil }
        // The second field is the command in parentheses, which may hold spaces and parentheses itself.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }
}
