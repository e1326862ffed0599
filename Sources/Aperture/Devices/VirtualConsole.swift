/// A console driver (`/sys/class/vtconsole/vtconN`).
package struct VirtualConsole: Hashable, Sendable {
    package var number: Int
    /// `(S) VGA+`, `(M) frame buffer device`, …
    package var name: String
    /// Whether it drives any virtual terminal.
    package var isBound: Bool

    package init(number: Int, name: String, isBound: Bool) {
        self.number = number
        self.name = name
        self.isBound = isBound
    }

    /// Whether this is the VGA text console (`vgacon`), which writes to 0xb8000 on the boot VGA device.
    package var isVGAText: Bool { name.hasSuffix("VGA+") }
}
