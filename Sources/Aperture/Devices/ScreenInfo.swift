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
