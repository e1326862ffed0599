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
