/// The generic drivers of firmware framebuffers, by the names the kernel gives their claims and their platform drivers.
package enum FramebufferDriver {
    /// The driver of `vga-framebuffer.0`; it claims nothing in a BAR.
    package static let vga16fb = "vga16fb"

    /// What the owner of a claim in /proc/iomem is.
    package struct Kind: Hashable, Sendable {
        /// The name in /proc/iomem.
        package let claim: String
        /// The name under `/sys/bus/platform/drivers`.
        package let platformDriver: String
        /// The platform device it binds to, without the number.
        package let deviceKind: String
        /// An fbdev driver's claim lives until the last close of `/dev/fbN`, also after the unbind
        /// (`fb_ops.fb_destroy`); a DRM driver's goes with the unbind.
        package let outlivesUnbindWhileOpen: Bool
        /// Whether the claim belongs to the platform *device* rather than to a driver, so that no unbind ends it.
        package var isDevicesOwn = false
    }

    private static let kinds = [
        Kind(
            claim: "efifb", platformDriver: "efi-framebuffer", deviceKind: "efi-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            claim: "efidrm", platformDriver: "efi-framebuffer", deviceKind: "efi-framebuffer",
            outlivesUnbindWhileOpen: false),
        Kind(
            claim: "vesafb", platformDriver: "vesa-framebuffer", deviceKind: "vesa-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            claim: "vesadrm", platformDriver: "vesa-framebuffer", deviceKind: "vesa-framebuffer",
            outlivesUnbindWhileOpen: false),
        Kind(
            claim: "simplefb", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            claim: "simpledrm", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false),
        // sysfb_create_simplefb()
        Kind(
            claim: "BOOTFB", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false, isDevicesOwn: true),
        // framebuffer_probe() of drivers/firmware/google/framebuffer-coreboot.c
        Kind(
            claim: "Coreboot Framebuffer", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false, isDevicesOwn: true),
        Kind(
            claim: "ofdrm", platformDriver: "of-display", deviceKind: "of-display", outlivesUnbindWhileOpen: false),
        Kind(claim: "offb", platformDriver: "of-display", deviceKind: "of-display", outlivesUnbindWhileOpen: true),
        Kind(
            claim: "corebootdrm", platformDriver: "coreboot-framebuffer", deviceKind: "coreboot-framebuffer",
            outlivesUnbindWhileOpen: false),
    ]

    /// The kind whose claims carry this name in /proc/iomem, or `nil`.
    ///
    /// A resource without a name of its own gets its platform device's (`platform_device_add()`): such a line is the
    /// device's own, `coreboot-framebuffer.0`.
    package static func kind(claimedAs name: String) -> Kind? {
        if let kind = kinds.first(where: { $0.claim == name }) { return kind }
        guard PlatformFramebuffer.isFramebuffer(name: name) else { return nil }
        let deviceKind = String(PlatformFramebuffer.kind(ofDevice: name))
        return Kind(
            claim: name, platformDriver: kinds.first { $0.deviceKind == deviceKind }?.platformDriver ?? deviceKind,
            deviceKind: deviceKind, outlivesUnbindWhileOpen: false, isDevicesOwn: true)
    }

    /// Whether a claim belongs to a platform device rather than to a driver: it is what an unbind leaves behind.
    package static func isDevicesOwn(_ claim: Claim) -> Bool { kind(claimedAs: claim.name)?.isDevicesOwn == true }

    /// Whether this is a platform driver of firmware framebuffers.
    package static func isPlatformDriver(_ name: String) -> Bool {
        name == vga16fb || kinds.contains { $0.platformDriver == name }
    }

    /// The names under which a platform driver's claims can stand in /proc/iomem.
    package static func claimNames(ofPlatformDriver driver: String) -> [String] {
        kinds.filter { $0.platformDriver == driver }.map(\.claim)
    }

    /// The names under which the claims of a platform device, bound or not, can stand in /proc/iomem.
    package static func claimNames(ofDeviceKind kind: Substring) -> [String] {
        kinds.filter { $0.deviceKind == kind }.map(\.claim)
    }
}
