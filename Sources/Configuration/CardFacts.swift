package import Aperture

/// What the configuration can ask of a display function. What could not be read is `nil`, and matches nothing.
package struct CardFacts: Hashable, Sendable {
    package var address: PCIAddress
    package var id: PCIIdentifier?
    package var subsystem: PCIIdentifier?
    /// Where it is below `/sys/devices`: `pci0000:00/0000:00:01.0/0000:01:00.0`.
    package var path: String?
    /// Whether firmware drew its screen there (`boot_vga`). No class but VGA has such a file.
    package var isBootVGA: Bool

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
