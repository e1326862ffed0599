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
    package static func isFramebuffer(name: String) -> Bool {
        name.hasSuffix("-framebuffer") || name.hasSuffix(".framebuffer") || name.containsText("-framebuffer.")
            || name == "of-display" || name.hasPrefix("of-display.")
    }
}

/// A registered framebuffer (`/sys/class/graphics/fbN`) and what its `FBIOGET_FSCREENINFO` says.
package struct FramebufferNode: Hashable, Sendable {
    /// N of `/dev/fbN`.
    package var number: Int
    /// The kernel's name of the device that registered it: `efi-framebuffer.0` or a PCI address; `nil` without a
    /// `device` link.
    package var device: String?
    /// The range of `smem_start` and `smem_len`; `nil` when the node cannot be opened, does not answer, or answers 0 as
    /// DRM's emulation does (`drm_fb_helper` hides the physical address).
    package var memory: AddressRange?

    /// A framebuffer as sysfs and the node describe it.
    package init(number: Int, device: String?, memory: AddressRange?) {
        self.number = number
        self.device = device
        self.memory = memory
    }

    /// `/dev/fb0`.
    package var path: String { "/dev/fb\(number)" }
}

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

/// What the boot loader told the kernel about the boot framebuffer: `struct screen_info`, the first 0x40 bytes of
/// `/sys/kernel/boot_params/data` (Documentation/arch/x86/zero-page.rst). It is the state at boot: nothing updates it
/// when a BAR moves later.
package struct ScreenInfo: Hashable, Sendable {
    /// The kind of video mode (`orig_video_isVGA`).
    package enum Mode: Hashable, Sendable {
        /// `VIDEO_TYPE_EFI`, 0x70.
        case efi
        /// `VIDEO_TYPE_VLFB`, 0x23.
        case vesa
        /// Text mode and everything older, with the raw value.
        case other(UInt8)
    }

    /// What `orig_video_isVGA` says.
    package var mode: Mode
    /// The framebuffer's addresses; `nil` when there is no linear framebuffer.
    package var framebuffer: AddressRange?

    /// From fields that are decoded already.
    package init(mode: Mode, framebuffer: AddressRange?) {
        self.mode = mode
        self.framebuffer = framebuffer
    }

    /// Reads the zero page, or its first 0x40 bytes; `nil` for fewer.
    package init?(bootParameters bytes: [UInt8]) {
        guard bytes.count >= 0x40 else { return nil }
        func little32(at offset: Int) -> UInt64 {
            (0..<4).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
        }
        switch bytes[0x0f] {
        case 0x70: mode = .efi
        case 0x23: mode = .vesa
        case let raw: mode = .other(raw)
        }
        guard mode == .efi || mode == .vesa else { return }
        // VIDEO_CAPABILITY_64BIT_BASE: the upper half of the base stands in ext_lfb_base.
        let is64Bit = little32(at: 0x36) & 0x2 != 0
        let base = little32(at: 0x18) | (is64Bit ? little32(at: 0x3a) << 32 : 0)
        // vesafb_probe(): VESA counts 64 KiB blocks, EFI bytes.
        let size = little32(at: 0x1c) * (mode == .vesa ? 0x10000 : 1)
        framebuffer = base == 0 ? nil : AddressRange(start: base, size: size)
    }
}
