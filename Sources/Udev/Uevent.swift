/// One event of one device (`kobject_uevent()`).
package struct Uevent: Hashable, Sendable {
    /// `add`, `remove`, `bind`, `unbind`, `change`, …
    package let action: String
    /// The kernel's bus or class of the device: `pci`, `drm`, `platform`, …
    package let subsystem: String
    /// The kernel's name of the device: `0000:01:00.0`.
    package let name: String

    /// An event from its parts.
    package init(action: String, subsystem: String, name: String) {
        self.action = action
        self.subsystem = subsystem
        self.name = name
    }

    /// Reads the kernel's datagram: `ACTION@DEVPATH`, a NUL, and `KEY=VALUE` pairs, each with a NUL at its end. Bytes
    /// that are not UTF-8 become U+FFFD.
    ///
    /// `nil` for a datagram without an action, a path or a subsystem: every event of a device has all three.
    package init?(_ datagram: some Collection<UInt8>) {
        var values: [String: String] = [:]
        for assignment in datagram.split(separator: 0).dropFirst() {
            guard let equals = assignment.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let key = String(decoding: assignment[..<equals], as: UTF8.self)
            guard key == "ACTION" || key == "DEVPATH" || key == "SUBSYSTEM" else { continue }
            values[key] = String(decoding: assignment[assignment.index(after: equals)...], as: UTF8.self)
        }
        guard let action = values["ACTION"], let subsystem = values["SUBSYSTEM"], let path = values["DEVPATH"],
            let name = path.split(separator: "/").last
        else { return nil }
        self.init(action: action, subsystem: subsystem, name: String(name))
    }
}
