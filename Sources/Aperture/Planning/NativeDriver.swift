/// A PCI driver that is made for GPUs, and not for handing them over.
package struct NativeDriver: Hashable, Sendable {
    /// The module, as modprobe knows it.
    package let module: String
    /// The name under `/sys/bus/pci/drivers`.
    package let driver: String

    /// The drivers whose probe calls the kernel's aperture helper before it touches the card, and whose unbind leaves
    /// the card usable: only these may probe a card once.
    package static let allowedToBounce = [
        NativeDriver(module: "amdgpu", driver: "amdgpu"),
        NativeDriver(module: "bochs", driver: "bochs-drm"),
        NativeDriver(module: "i915", driver: "i915"),
        NativeDriver(module: "nouveau", driver: "nouveau"),
        NativeDriver(module: "radeon", driver: "radeon"),
        NativeDriver(module: "xe", driver: "xe"),
    ]

    /// The driver of ``allowedToBounce`` with this module or driver name, or `nil`.
    package static func bouncing(named name: String) -> NativeDriver? {
        allowedToBounce.first { $0.module == name || $0.driver == name }
    }

    /// Whether an entry in a BAR has the name of the driver that is bound to the GPU: the same name, the same name with
    /// more behind it (`bochs` and `bochs-drm`, `virtio-pci` and `virtio-pci-modern`), or the name that one of a few
    /// drivers gives its regions instead.
    package static func driver(_ driver: String, ownsEntryNamed name: String) -> Bool {
        let driver = plain(driver)
        let name = plain(name)
        let known = ["mgag200": "mgadrmfb", "cirrus": "cirrusdrmfb"]
        return name.hasPrefix(known[driver] ?? driver)
    }

    /// Without `-`, `_` and case, in which the names of modules, drivers and regions differ.
    private static func plain(_ name: String) -> String {
        name.lowercased().filter { $0 != "-" && $0 != "_" }
    }
}
