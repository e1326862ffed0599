/// A platform device that the kernel made of the firmware's framebuffer (`drivers/firmware/sysfb.c`), found under
/// `/sys/bus/platform/devices`: every kernel lists it there, whatever its parent.
package struct PlatformFramebuffer: Hashable, Sendable {
    /// `efi-framebuffer.0`, `simple-framebuffer.0`, …
    package var name: String
    /// The bound platform driver, or `nil`.
    package var driver: String?
    /// `driver_override`, or `nil` where the kernel prints `(null)`.
    package var driverOverride: String?
    /// Why `driver_override` could not be read, or why the device's framebuffer does not answer: somebody holds its
    /// lock in the kernel, and may be about to bind or unbind the device. `nil` for a device that could be read.
    package var unreadable: String?
    /// The PCI device that the kernel made its parent (6.9 and later, `sysfb_parent_dev()`); `nil` for a device below
    /// `/sys/devices/platform`.
    package var parent: PCIAddress?

    /// A device that could be read.
    package init(name: String, driver: String?, driverOverride: String? = nil, parent: PCIAddress? = nil) {
        self.name = name
        self.driver = driver
        self.driverOverride = driverOverride
        self.parent = parent
    }

    /// The name without the instance number: `efi-framebuffer`.
    package var kind: Substring { Self.kind(ofDevice: name) }

    /// The device's name without its instance number; `simple-framebuffer` for a device tree's simple framebuffer,
    /// which is named by its address and its node (`of_device_make_bus_id()`): `e0000000.framebuffer`.
    package static func kind(ofDevice name: String) -> Substring {
        if name.hasSuffix(".framebuffer") { return "simple-framebuffer" }
        guard let dot = name.lastIndex(of: ".") else { return name[...] }
        let last = name[dot...].dropFirst()
        return last.allSatisfy(\.isNumber) ? name[..<dot] : last
    }

    /// Whether this is text mode or planar VGA, whose memory is at 0xa0000 and in no BAR.
    package var isLegacyVGA: Bool {
        kind == "vga-framebuffer" || kind == "ega-framebuffer" || driver == FramebufferDriver.vga16fb
    }

    /// Whether a platform device of this name is a firmware framebuffer.
    ///
    /// sysfb's and coreboot's end in `-framebuffer.0`; Open Firmware's are `of-display` and `of-display.N` (drivers/of/
    /// platform.c), a device tree's simple framebuffers `ADDRESS.framebuffer`.
    package static func isFramebuffer(name: some StringProtocol) -> Bool {
        name.contains("-framebuffer.") || name.hasSuffix("-framebuffer") || name.hasSuffix(".framebuffer")
            || name == "of-display" || name.hasPrefix("of-display.")
    }
}
