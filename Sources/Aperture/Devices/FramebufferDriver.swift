/// The generic drivers of firmware framebuffers, by the names of their /proc/iomem entries and of their platform
/// drivers.
package enum FramebufferDriver {
    /// The driver of `vga-framebuffer.0`; it has no entry in a BAR.
    package static let vga16fb = "vga16fb"

    /// The owner of an entry in /proc/iomem: a driver, or a platform device itself.
    package struct Kind: Hashable, Sendable {
        /// The name in /proc/iomem.
        package let entryName: String
        /// The name under `/sys/bus/platform/drivers`.
        package let platformDriver: String
        /// The platform device it binds to, without the instance number.
        package let deviceKind: String
        /// Whether the entry lives until the last close of `/dev/fbN`, even after the unbind. An fbdev driver's does
        /// (`fb_ops.fb_destroy`); a DRM driver's ends with the unbind.
        package let outlivesUnbindWhileOpen: Bool
        /// Whether the entry belongs to the platform *device* and not to a driver, so that no unbind ends it.
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
    /// A resource without a name gets the name of its platform device (`platform_device_add()`): an entry named
    /// `coreboot-framebuffer.0` is the device's own.
    package static func kind(ofEntryNamed name: String) -> Kind? {
        if let kind = kinds.first(where: { $0.entryName == name }) { return kind }
        guard PlatformFramebuffer.isFramebuffer(name: name) else { return nil }
        let deviceKind = String(PlatformFramebuffer.kind(ofDevice: name))
        return Kind(
            entryName: name, platformDriver: kinds.first { $0.deviceKind == deviceKind }?.platformDriver ?? deviceKind,
            deviceKind: deviceKind, outlivesUnbindWhileOpen: false, isDevicesOwn: true)
    }

    /// Whether an entry belongs to a platform device and not to a driver: an unbind leaves it behind.
    package static func isDevicesOwn(_ entry: IomemEntry) -> Bool {
        kind(ofEntryNamed: entry.name)?.isDevicesOwn == true
    }

    /// Whether the platform driver of this name drives firmware framebuffers.
    package static func isPlatformDriver(_ name: String) -> Bool {
        name == vga16fb || kinds.contains { $0.platformDriver == name }
    }

    /// The names that the entries of a platform driver can have in /proc/iomem.
    package static func entryNames(ofPlatformDriver driver: String) -> [String] {
        kinds.filter { $0.platformDriver == driver }.map(\.entryName)
    }

    /// The names that the entries of a platform device, bound or not, can have in /proc/iomem.
    package static func entryNames(ofDeviceKind kind: Substring) -> [String] {
        kinds.filter { $0.deviceKind == kind }.map(\.entryName)
    }
}
