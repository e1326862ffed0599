package import Aperture

/// The facts about a GPU that the configuration can name. A fact that could not be read is `nil`, and matches nothing.
package struct CardFacts: Hashable, Sendable {
    /// The function's PCI address.
    package var address: PCIAddress
    /// The sysfs files `vendor` and `device`.
    package var id: PCIIdentifier?
    /// The sysfs files `subsystem_vendor` and `subsystem_device`.
    package var subsystem: PCIIdentifier?
    /// The syspath without `/sys/devices/`: `pci0000:00/0000:00:01.0/0000:01:00.0`.
    package var path: String?
    /// Whether the firmware drew its screen there (`boot_vga`). Only class 0300 has such a file.
    package var isBootVGA: Bool

    /// - Parameter path: The syspath without `/sys/devices/`.
    package init(
        address: PCIAddress, id: PCIIdentifier?, subsystem: PCIIdentifier? = nil, path: String? = nil,
        isBootVGA: Bool = false
    ) {
        self.address = address
        self.id = id
        self.subsystem = subsystem
        self.path = path
        self.isBootVGA = isBootVGA
    }

    static let devices = "/sys/devices"
}
