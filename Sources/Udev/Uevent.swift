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
    /// Copies the fields as libudev gives them. One that the event does not have is empty, and what is not UTF-8 becomes
    /// U+FFFD.
    package init(
        action: UnsafePointer<CChar>?, subsystem: UnsafePointer<CChar>?, name: UnsafePointer<CChar>?
    ) {
        unsafe self.init(action: Self.text(action), subsystem: Self.text(subsystem), name: Self.text(name))
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> String {
        guard let pointer = unsafe pointer else { return "" }
        return unsafe String(cString: pointer)
    }
}
