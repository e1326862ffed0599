/// A process with a device node open.
package struct Holder: Hashable, Sendable {
    package var pid: Int32
    /// `/proc/PID/comm`.
    package var command: String
    /// The node: `/dev/fb0`.
    package var node: String
    /// The systemd unit of its control group, if it has one.
    package var unit: String?

    package init(pid: Int32, command: String, node: String, unit: String? = nil) {
        self.pid = pid
        self.command = command
        self.node = node
        self.unit = unit
    }
}

extension Holder: CustomStringConvertible {
    package var description: String { "\(command) (pid \(pid)\(unit.map { ", \($0)" } ?? "")) holds \(node)" }
}
