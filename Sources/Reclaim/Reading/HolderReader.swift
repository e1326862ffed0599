internal import Aperture
internal import Glibc
internal import Sysfs

/// Finds the processes that have device nodes of graphics, sound or VFIO open, through `/proc/PID/fd` and
/// `/proc/PID/maps`.
struct HolderReader {
    let tree: FileTree

    private static let prefixes = ["/dev/fb", "/dev/dri/", "/dev/nvidia", "/dev/snd/", "/dev/vfio/"]

    /// Processes come and go while this runs, and some hide their descriptors: what cannot be read is passed over, so
    /// an empty answer does not prove that nobody holds a node.
    func holders() -> [Holder] {
        guard let processes = try? tree.list("/proc") else { return [] }
        let own = tree.isMachine ? getpid() : 0
        return processes.compactMap { Int32($0) }.filter { $0 != own }.sorted().flatMap(holders)
    }

    private func holders(of pid: Int32) -> [Holder] {
        let nodes = opened(by: pid).union(mapped(by: pid))
        guard !nodes.isEmpty else { return [] }
        let command = Self.printable((try? tree.text("/proc/\(pid)/comm")) ?? "?")
        let unit = unit(of: pid)
        return nodes.sorted().map { Holder(pid: pid, command: command, node: $0, unit: unit) }
    }

    private func opened(by pid: Int32) -> Set<String> {
        guard let descriptors = try? tree.list("/proc/\(pid)/fd") else { return [] }
        let targets = descriptors.compactMap { try? tree.linkTarget("/proc/\(pid)/fd/\($0)") }
        return Set(targets.map(Self.plain).filter(Self.isOfInterest))
    }

    /// A mapping keeps a node open after its descriptor is closed.
    private func mapped(by pid: Int32) -> Set<String> {
        guard let maps = try? tree.text("/proc/\(pid)/maps") else { return [] }
        // By bytes: to Swift a name's last "\r" and the line feed after it are one character, and no line's end.
        let paths = maps.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
            line.firstIndex(of: UInt8(ascii: "/")).map { Self.plain(String(decoding: line[$0...], as: UTF8.self)) }
        }
        return Set(paths.filter(Self.isOfInterest))
    }

    /// A node that is gone while someone has it open is still named, with this behind it (`d_path()`).
    private static func plain(_ path: String) -> String {
        path.hasSuffix(" (deleted)") ? String(path.dropLast(10)) : path
    }

    /// A process names itself, and whoever reads of it may be root at a terminal.
    private static func printable(_ name: String) -> String {
        let scalars = name.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }

    private static func isOfInterest(_ path: String) -> Bool {
        // The container node is everyone's; the groups and devices below it are somebody's.
        path != "/dev/vfio/vfio" && prefixes.contains(where: path.hasPrefix)
    }

    /// The last component of the control group that systemd made: `0::/system.slice/gdm.service`.
    private func unit(of pid: Int32) -> String? {
        guard let groups = try? tree.text("/proc/\(pid)/cgroup") else { return nil }
        let names = groups.split(whereSeparator: { $0.isNewline || $0 == "/" })
        return names.last { $0.hasSuffix(".service") || $0.hasSuffix(".scope") }.map { Self.printable(String($0)) }
    }
}
