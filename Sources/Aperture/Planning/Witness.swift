/// A source that tells where a framebuffer's memory is, the most direct first.
package enum Witness: String, Hashable, Sendable, CaseIterable, Comparable {
    /// An entry of /proc/iomem, by its name and its range.
    case iomem
    /// The platform device is a child of a PCI device (`sysfb_parent_dev()`, kernel 6.9 and later).
    case parent
    /// `smem_start` and `smem_len` of `FBIOGET_FSCREENINFO`.
    case framebuffer
    /// `lfb_base` and `lfb_size` of the boot parameters.
    case screenInfo = "screen_info"

    package static func < (left: Witness, right: Witness) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}
