/// A console driver (`/sys/class/vtconsole/vtconN`).
package struct VirtualConsole: Hashable, Sendable {
    /// N of `vtconN`.
    package var number: Int
    /// `(S) VGA+`, `(M) frame buffer device`, …
    package var name: String
    /// Whether it drives any virtual terminal; `nil` when that could not be read.
    package var isBound: Bool?
    /// Why ``isBound`` could not be read; `nil` when it could.
    package var unreadable: String?

    /// A console whose `bind` could be read.
    package init(number: Int, name: String, isBound: Bool) {
        self.number = number
        self.name = name
        self.isBound = isBound
    }

    /// A console whose `bind` could not be read, with the reason.
    package init(number: Int, name: String, unreadable: String) {
        self.number = number
        self.name = name
        self.unreadable = unreadable
    }

    /// Whether user space may bind and unbind it: `(M)`. For the system's own driver, `(S)`, the kernel accepts and
    /// ignores a write to `bind` (`vt_bind()` and `vt_unbind()` ask for CON_DRIVER_FLAG_MODULE).
    package var canBeSwitched: Bool { name.hasPrefix("(M)") }

    /// Whether this is the VGA text console (`vgacon`), which writes to 0xb8000 on the boot VGA device.
    package var isVGAText: Bool { name.hasSuffix("VGA+") }
}
