internal import Aperture
internal import KernelFiles

/// Resolves the other names of system units, as systemd does: `display-manager.service` is a link to the unit file of the
/// display manager that is in use, and the control groups of its processes have that file's name.
struct UnitAliases {
    let tree: FileTree

    /// Where system units are, in the order of precedence: systemd.unit(5), and `lookup_paths_init()`.
    private static let folders = [
        "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
        "/run/systemd/generator.early", "/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator",
        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
        "/run/systemd/generator.late",
    ]
    /// How many links are followed: a chain of more is a loop.
    private static let mostLinks = 8

    /// The name of the unit's own file; the name itself when it is no alias, or cannot be resolved.
    func name(of unit: String) -> String {
        var name = unit
        for _ in 0..<Self.mostLinks {
            guard let next = target(of: name) else { return name }
            name = next
        }
        return unit
    }

    /// The name that this one is a link to; `nil` for one that is no link to a file of another name.
    private func target(of name: String) -> String? {
        for folder in Self.folders {
            let path = "\(folder)/\(name)"
            // A file that cannot be read resolves nothing, and the name stays as it was written.
            guard let target = try? tree.linkName(path) else {
                if tree.exists(path) { return nil }
                continue
            }
            return target == name || !ServiceName.isService(target) ? nil : target
        }
        return nil
    }
}
