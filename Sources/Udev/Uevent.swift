/// One event of one device (`kobject_uevent()`).
package struct Uevent: Hashable, Sendable {
    /// `add`, `remove`, `bind`, `unbind`, `change`, …
    package let action: String
    package let subsystem: String
    /// The kernel's name of the device: `0000:01:00.0`.
    package let name: String

    package init(action: String, subsystem: String, name: String) {
        self.action = action
        self.subsystem = subsystem
        self.name = name
    }
}
