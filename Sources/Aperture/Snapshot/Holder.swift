/// A process with a device node open.
package struct Holder: Hashable, Sendable {
    /// The process, as this program's /proc numbers it.
    package var pid: Int32
    /// `/proc/PID/comm`.
    package var command: String
    /// The node, as the host names it, whatever the process calls it: `/dev/fb0`.
    package var node: String
    /// The systemd unit of its control group, if it has one.
    package var unit: String?
    /// Whether the unit belongs to the machine's own service manager, and not to a user's or a container's.
    package var isSystemUnit: Bool

    /// A process and the node it has open, as /proc shows them.
    package init(pid: Int32, command: String, node: String, unit: String? = nil, isSystemUnit: Bool = true) {
        self.pid = pid
        self.command = command
        self.node = node
        self.unit = unit
        self.isSystemUnit = isSystemUnit
    }
}

extension Holder: CustomStringConvertible {
    package var description: String { "\(command) (pid \(pid)\(unit.map { ", \($0)" } ?? "")) holds \(node)" }
}
