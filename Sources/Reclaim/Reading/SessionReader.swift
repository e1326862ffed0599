internal import Aperture
internal import KernelFiles

/// Finds out which services have opened the login sessions that a process belongs to.
///
/// A display manager's own processes are in its unit. A session's are not: pam_systemd moves the process that opens a
/// session to the session's scope, and what that starts stays there, or is started by the user's own service manager. But
/// the process that opened the session is still a child of the display manager's, which is in its unit.
struct SessionReader {
    let tree: FileTree

    /// Where systemd keeps its groups: alone, or beside the first version of control groups.
    private static let hierarchies = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]
    /// How many parents are looked at.
    private static let mostParents = 64

    /// The services of one holder's sessions; empty for a process outside of sessions, and where nothing is known.
    func services(of process: Int32, _ group: ControlGroup) -> Set<String> {
        guard let unit = group.unit else { return [] }
        if group.isSystemUnit, Self.isSession(unit) { return [service(above: process) ?? unit] }
        return group.user.map(services(ofUser:)) ?? []
    }

    private static func isSession(_ unit: String) -> Bool { unit.hasPrefix("session-") && unit.hasSuffix(".scope") }

    /// The service of the process's next ancestor that is in one.
    private func service(above process: Int32) -> String? {
        var process = process
        for _ in 0..<Self.mostParents {
            guard let parent = parent(of: process), parent > 1 else { return nil }
            let group = ControlGroup(of: "\(parent)", in: tree)
            if group.isSystemUnit, let unit = group.unit, unit.hasSuffix(".service") { return unit }
            process = parent
        }
        return nil
    }

    private func parent(of process: Int32) -> Int32? {
        // A process that has ended has no parent, and its session is not explained.
        guard let status = try? tree.text("/proc/\(process)/status") else { return nil }
        let line = status.split(whereSeparator: \.isNewline).first { $0.hasPrefix("PPid:") }
        return line.flatMap { $0.split(whereSeparator: \.isWhitespace).last }.flatMap { Int32($0) }
    }

    /// Those of every session that the user has. A session that no service has opened, or whose processes' parents are not
    /// known, counts by its own name.
    private func services(ofUser user: UInt32) -> Set<String> {
        for hierarchy in Self.hierarchies {
            let slice = "\(hierarchy)/user.slice/user-\(user).slice"
            // Only one of the hierarchies has the user's groups; without any the sessions are unknown.
            guard let groups = try? tree.list(slice) else { continue }
            var services: Set<String> = []
            for scope in groups where Self.isSession(scope) {
                // A session that ends meanwhile has no processes.
                let text = (try? tree.text("\(slice)/\(scope)/cgroup.procs")) ?? ""
                let processes = text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
                guard !processes.isEmpty else { continue }
                let found = Set(processes.compactMap(service(above:)))
                services.formUnion(found.isEmpty ? [scope] : found)
            }
            return services
        }
        return []
    }
}
