package import Aperture
internal import CLinux
package import Sysfs
internal import SystemPackage

/// Finds the processes that have device nodes open or mapped, through `/proc/PID/fd`, `/proc/PID/maps` and
/// `/proc/PID/map_files`.
///
/// What counts is the device's number behind each link, never the link's text; see ``DeviceNodes``.
package struct HolderReader {
    package struct Reading {
        package var holders: [Holder] = []
        /// Why there may be others, a sentence without its full stop; `nil` when everybody was seen.
        package var unknown: String?
    }

    private let tree: FileTree
    private let nodes: DeviceNodes
    private let spared: Int32?

    /// - Parameters:
    ///   - names: The nodes of interest, as the host names them.
    ///   - spared: The process that does not count, which is this one on the machine.
    package init(_ names: Set<String>, in tree: FileTree, sparing spared: Int32?) {
        self.tree = tree
        self.spared = spared
        nodes = DeviceNodes(names, in: tree)
    }

    package func read() -> Reading {
        var reading = Reading()
        let processes: [Int32]
        do {
            processes = try tree.list("/proc").compactMap { Int32($0) }
        } catch {
            reading.unknown = "the processes could not be listed: \(error)"
            return reading
        }
        let table = ProcessTable(tree: tree)
        reading.unknown = table.whatHides(from: processes)
        if let node = nodes.unknown.first, reading.unknown == nil {
            reading.unknown = "the device number of \(node) could not be read"
        }
        var files = MappedFiles(tree: tree, nodes: nodes)
        for process in processes.sorted() where process != spared {
            let (held, errno) = held(by: process, &files)
            if let errno, reading.unknown == nil {
                reading.unknown =
                    "what process \(process) (\(command(of: process))) has open could not be read: \(errno)"
            }
            guard !held.isEmpty else { continue }
            let (command, unit) = (command(of: process), ControlGroup(of: process, in: tree))
            reading.holders += held.sorted().map {
                Holder(pid: process, command: command, node: $0, unit: unit.unit, isSystemUnit: unit.isSystemUnit)
            }
        }
        return reading
    }

    /// - Returns: The nodes, and why there may be more. A process that ends meanwhile holds nothing.
    private func held(by process: Int32, _ files: inout MappedFiles) -> (nodes: Set<String>, errno: Errno?) {
        var held: Set<String> = []
        var denial: Errno?
        do throws(Errno) {
            held = try tree.isMachine ? opened(by: process) : linked(by: process)
        } catch {
            if Self.isDenial(error) { denial = error }
        }
        do throws(Errno) {
            held.formUnion(try files.nodes(mappedBy: process))
        } catch {
            if Self.isDenial(error) { denial = denial ?? error }
        }
        return (held, denial)
    }

    private static func isDenial(_ errno: Errno) -> Bool { errno == .permissionDenied || errno == .notPermitted }

    // MARK: - Descriptors

    private func opened(by process: Int32) throws(Errno) -> Set<String> {
        var (held, count) = try opened(below: "/proc/\(process)")
        guard count == 0 else { return held }
        // Where the first thread has ended, its process's descriptors are with the others alone (`get_files_struct()`).
        // A kernel's thread has none, and no others.
        let threads = (try? tree.list("/proc/\(process)/task")) ?? []
        guard threads.count > 1 else { return held }
        for thread in threads { held.formUnion(try opened(below: "/proc/\(process)/task/\(thread)").nodes) }
        return held
    }

    private func opened(below folder: String) throws(Errno) -> (nodes: Set<String>, count: Int) {
        var found = [Bool](repeating: false, count: nodes.numbers.count)
        var count = 0
        let error = unsafe clinux_devices_open(folder, nodes.numbers, found.count, &found, &count)
        // A denial may have been of some descriptors alone; it counts as one of all.
        guard error == 0 else { throw Errno(rawValue: error) }
        return (Set(zip(nodes.nodes, found).compactMap { $1 ? $0 : nil }), count)
    }

    /// Below another root a descriptor is a symbolic link.
    private func linked(by process: Int32) throws(Errno) -> Set<String> {
        do throws(FileTreeError) {
            var held: Set<String> = []
            for descriptor in try tree.list("/proc/\(process)/fd") {
                guard let target = try tree.linkTarget("/proc/\(process)/fd/\(descriptor)") else { continue }
                if let node = nodes.node(at: target) { held.insert(node) }
            }
            return held
        } catch {
            throw error.errno
        }
    }

    /// A process names itself, and whoever reads of it may be root at a terminal.
    private func command(of process: Int32) -> String {
        // It may have ended.
        (try? tree.text("/proc/\(process)/comm"))?.printable ?? "?"
    }
}

extension String {
    /// The text without what a terminal would obey.
    fileprivate var printable: String {
        let scalars = unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }
}

/// The systemd unit that a process belongs to, by its control group: `0::/system.slice/gdm.service`.
private struct ControlGroup {
    /// The innermost unit.
    private(set) var unit: String?
    /// Whether it is one of the machine's own service manager: not of a user's, nor of a container's.
    private(set) var isSystemUnit = false

    init(of process: Int32, in tree: FileTree) {
        // It may have ended.
        guard let groups = try? tree.text("/proc/\(process)/cgroup") else { return }
        for line in groups.split(whereSeparator: \.isNewline) {
            let units = line.split(separator: "/").filter { $0.hasSuffix(".service") || $0.hasSuffix(".scope") }
            guard let last = units.last else { continue }
            unit = String(last).printable
            isSystemUnit = units.count == 1
        }
    }
}

/// Whether everybody is in the process table.
private struct ProcessTable {
    let tree: FileTree

    /// PROC_PID_INIT_INO of the kernel (`include/linux/proc_ns.h`): the first PID namespace, which all others are in.
    private static let first = "pid:[4026531836]"

    /// - Parameter processes: Those that are listed.
    /// - Returns: Why there may be more; `nil` when there is no sign of it.
    func whatHides(from processes: [Int32]) -> String? {
        // Who is in the first one sees it through a /proc of the first one alone. Somebody else may have been given it all
        // the same: a /proc is that of its process 1.
        let seen = [namespace(of: "self"), namespace(of: "1")]
        if !seen.contains(Self.first), let other = seen.compactMap(\.self).first {
            return "/proc shows the processes of another PID namespace than the host's (\(other))"
        }
        if tree.isMachine || hidesProcesses, !processes.contains(1) {
            return "/proc hides other users' processes (hidepid=)"
        }
        return nil
    }

    /// Whether the mount of /proc that a captured tree shows hides processes; on the machine what is hidden decides.
    private var hidesProcesses: Bool {
        // Without the file there is no such sign.
        guard let mounts = try? tree.text("/proc/self/mountinfo") else { return false }
        return mounts.split(separator: "\n").contains { line in
            line.contains(" - proc ") && line.contains("hidepid=") && !line.contains("hidepid=0")
                && !line.contains("hidepid=off")
        }
    }

    private func namespace(of process: String) -> String? {
        // Not shown to everyone, and not there in every tree; what then is hidden is found process by process.
        try? tree.linkTarget("/proc/\(process)/ns/pid")
    }
}

/// Finds devices among mapped files. A mapping keeps a node open after its descriptor is closed.
///
/// `maps` has a file's device and inode, and not what it is; its `map_files` link tells that. As most files are mapped by
/// many processes, each is looked at once.
private struct MappedFiles {
    let tree: FileTree
    let nodes: DeviceNodes
    /// Where each file was found among the nodes, by its device, inode and path as `maps` prints them.
    private var known: [[UInt8]: String?] = [:]

    /// How often a process's mappings are read again that change meanwhile.
    private static let looks = 3

    init(tree: FileTree, nodes: DeviceNodes) {
        self.tree = tree
        self.nodes = nodes
    }

    /// - Throws: `notPermitted` without CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE (`proc_map_files_get_link()`).
    mutating func nodes(mappedBy process: Int32) throws(Errno) -> Set<String> {
        var held: Set<String> = []
        for _ in 0..<Self.looks where try look(at: process, &held) { break }
        return held
    }

    /// - Returns: Whether every mapping was found as it was listed.
    private mutating func look(at process: Int32, _ held: inout Set<String>) throws(Errno) -> Bool {
        let maps: [UInt8]
        do throws(FileTreeError) {
            maps = try tree.bytes("/proc/\(process)/maps")
        } catch {
            throw error.errno
        }
        var isWhole = true
        var start = 0
        while start < maps.count {
            let line = MapsLine(maps, from: start)
            start = line.end + 1
            // Anonymous memory has no path.
            guard let file = line.file, let path = line.path else { continue }
            let key = Array(maps[file])
            if let node = known[key] {
                if let node { held.insert(node) }
                continue
            }
            do throws(Errno) {
                let node = try node(behind: maps[line.range], path: maps[path], of: process)
                known[key] = .some(node)
                if let node { held.insert(node) }
            } catch .noSuchFileOrDirectory {
                isWhole = false
            }
        }
        return isWhole
    }

    /// - Parameter range: The mapping's addresses as `maps` prints them: `00400000-00401000`.
    private func node(
        behind range: ArraySlice<UInt8>, path: ArraySlice<UInt8>, of process: Int32
    ) throws(Errno) -> String? {
        guard tree.isMachine else { return nodes.node(at: String(decoding: path, as: UTF8.self)) }
        // The link is named without leading zeros.
        let name = String(decoding: range, as: UTF8.self).split(separator: "-").map { part in
            let digits = part.drop { $0 == "0" }
            return digits.isEmpty ? "0" : digits
        }.joined(separator: "-")
        var number: UInt64 = 0
        let error = unsafe clinux_device_number("/proc/\(process)/map_files/\(name)", &number)
        guard error == 0 else { throw Errno(rawValue: error) }
        return nodes.numbers.firstIndex(of: number).map { nodes.nodes[$0] }
    }
}

/// One line of `/proc/PID/maps`: the range, the rights, the offset, and what tells the file: device, inode, path. By bytes: to
/// Swift a name's last "\r" and the line feed after it are one character, and no line's end. There are many lines.
private struct MapsLine {
    /// The addresses.
    private(set) var range: Range<Int>
    /// From the device on; `nil` for a line that is none.
    private(set) var file: Range<Int>?
    private(set) var path: Range<Int>?
    /// Where the line feed is.
    private(set) var end: Int

    init(_ bytes: [UInt8], from start: Int) {
        var spaces = 0
        var (first, third, slash) = (start, start, start)
        end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: "\n") {
            if slash == start {
                if bytes[end] == UInt8(ascii: " ") {
                    spaces += 1
                    if spaces == 1 { first = end }
                    if spaces == 3 { third = end }
                } else if spaces >= 3, bytes[end] == UInt8(ascii: "/") {
                    slash = end
                }
            }
            end += 1
        }
        range = start..<first
        guard slash > third else { return }
        file = third..<end
        path = slash..<end
    }
}
