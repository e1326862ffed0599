/// The generic drivers of firmware framebuffers, by the names the kernel gives their entries and their platform drivers.
package enum FramebufferDriver {
    /// The driver of `vga-framebuffer.0`; it has no entry in a BAR.
    package static let vga16fb = "vga16fb"

    /// What the owner of an entry in /proc/iomem is.
    package struct Kind: Hashable, Sendable {
        /// The name in /proc/iomem.
        package let entryName: String
        /// The name under `/sys/bus/platform/drivers`.
        package let platformDriver: String
        /// The platform device it binds to, without the number.
        package let deviceKind: String
        /// An fbdev driver's entry lives until the last close of `/dev/fbN`, also after the unbind
        /// (`fb_ops.fb_destroy`); a DRM driver's goes with the unbind.
        package let outlivesUnbindWhileOpen: Bool
        /// Whether the entry belongs to the platform *device* rather than to a driver, so that no unbind ends it.
        package var isDevicesOwn = false
    }

    private static let kinds = [
        Kind(
            entryName: "efifb", platformDriver: "efi-framebuffer", deviceKind: "efi-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            entryName: "efidrm", platformDriver: "efi-framebuffer", deviceKind: "efi-framebuffer",
            outlivesUnbindWhileOpen: false),
        Kind(
            entryName: "vesafb", platformDriver: "vesa-framebuffer", deviceKind: "vesa-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            entryName: "vesadrm", platformDriver: "vesa-framebuffer", deviceKind: "vesa-framebuffer",
            outlivesUnbindWhileOpen: false),
        Kind(
            entryName: "simplefb", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: true),
        Kind(
            entryName: "simpledrm", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false),
        // sysfb_create_simplefb()
        Kind(
            entryName: "BOOTFB", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false, isDevicesOwn: true),
        // framebuffer_probe() of drivers/firmware/google/framebuffer-coreboot.c
        Kind(
            entryName: "Coreboot Framebuffer", platformDriver: "simple-framebuffer", deviceKind: "simple-framebuffer",
            outlivesUnbindWhileOpen: false, isDevicesOwn: true),
        Kind(
            entryName: "ofdrm", platformDriver: "of-display", deviceKind: "of-display", outlivesUnbindWhileOpen: false),
        Kind(entryName: "offb", platformDriver: "of-display", deviceKind: "of-display", outlivesUnbindWhileOpen: true),
        Kind(
            entryName: "corebootdrm", platformDriver: "coreboot-framebuffer", deviceKind: "coreboot-framebuffer",
            outlivesUnbindWhileOpen: false),
    ]

    /// The kind whose entries carry this name in /proc/iomem, or `nil`.
    ///
    /// A resource without a name of its own gets its platform device's (`platform_device_add()`): such a line is the
    /// device's own, `coreboot-framebuffer.0`.
    package static func kind(ofEntryNamed name: String) -> Kind? {
        if let kind = kinds.first(where: { $0.entryName == name }) { return kind }
        guard PlatformFramebuffer.isFramebuffer(name: name) else { return nil }
        let deviceKind = String(PlatformFramebuffer.kind(ofDevice: name))
        return Kind(
            entryName: name, platformDriver: kinds.first { $0.deviceKind == deviceKind }?.platformDriver ?? deviceKind,
            deviceKind: deviceKind, outlivesUnbindWhileOpen: false, isDevicesOwn: true)
    }

    /// Whether an entry belongs to a platform device rather than to a driver: it is what an unbind leaves behind.
    package static func isDevicesOwn(_ entry: IomemEntry) -> Bool {
        kind(ofEntryNamed: entry.name)?.isDevicesOwn == true
    }

    /// Whether this is a platform driver of firmware framebuffers.
    package static func isPlatformDriver(_ name: String) -> Bool {
        name == vga16fb || kinds.contains { $0.platformDriver == name }
    }

    /// The names under which a platform driver's entries can stand in /proc/iomem.
    package static func entryNames(ofPlatformDriver driver: String) -> [String] {
        kinds.filter { $0.platformDriver == driver }.map(\.entryName)
    }

    /// The names under which the entries of a platform device, bound or not, can stand in /proc/iomem.
    package static func entryNames(ofDeviceKind kind: Substring) -> [String] {
        kinds.filter { $0.deviceKind == kind }.map(\.entryName)
    }
}
