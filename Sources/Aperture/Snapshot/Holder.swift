/// A process with a device node open.
package struct Holder: Hashable, Sendable {
    package var pid: Int32
    /// `/proc/PID/comm`.
    package var command: String
    /// The node: `/dev/fb0`.
    package var node: String

    package init(pid: Int32, command: String, node: String) {
        self.pid = pid
        self.command = command
        self.node = node
    }
}

extension Holder: CustomStringConvertible {
    package var description: String { "\(command) (pid \(pid)) holds \(node)" }
}
