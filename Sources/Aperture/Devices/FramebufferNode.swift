/// A registered framebuffer (`/sys/class/graphics/fbN`) and what its `FBIOGET_FSCREENINFO` says.
package struct FramebufferNode: Hashable, Sendable {
    /// N of `/dev/fbN`.
    package var number: Int
    /// The kernel's name of the device it stands on: `efi-framebuffer.0` or a PCI address; `nil` without a link.
    package var device: String?
    /// `smem_start` and `smem_len`, in bytes; `nil` when the node cannot be asked, does not answer, or answers 0 as DRM's
    /// emulation does (`drm_fb_helper` hides the physical address).
    package var memory: AddressRange?

    package init(number: Int, device: String?, memory: AddressRange?) {
        self.number = number
        self.device = device
        self.memory = memory
    }

    /// `/dev/fb0`.
    package var path: String { "/dev/fb\(number)" }
}
