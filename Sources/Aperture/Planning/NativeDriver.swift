/// The PCI drivers that a GPU is made for.
package struct NativeDriver: Hashable, Sendable {
    /// The module, as modprobe knows it.
    package let module: String
    /// The name under `/sys/bus/pci/drivers`.
    package let driver: String

    /// Drivers whose probe calls the kernel's aperture helper before it touches the card, and whose unbind leaves the
    /// card usable: only these may be asked to probe once.
    package static let allowedToBounce = [
        NativeDriver(module: "amdgpu", driver: "amdgpu"),
        NativeDriver(module: "bochs", driver: "bochs-drm"),
        NativeDriver(module: "i915", driver: "i915"),
        NativeDriver(module: "nouveau", driver: "nouveau"),
        NativeDriver(module: "radeon", driver: "radeon"),
        NativeDriver(module: "xe", driver: "xe"),
    ]

    /// The listed driver with this module or driver name.
    package static func bouncing(named name: String) -> NativeDriver? {
        allowedToBounce.first { $0.module == name || $0.driver == name }
    }

    /// Whether a claim in a BAR carries the name of the driver that is bound to it: the same name, the same name with
    /// more behind it (`bochs` and `bochs-drm`, `virtio-pci` and `virtio-pci-modern`), or one of the few drivers that
    /// name their regions otherwise.
    package static func driver(_ driver: String, ownsEntryNamed claim: String) -> Bool {
        let driver = plain(driver)
        let claim = plain(claim)
        let known = ["mgag200": "mgadrmfb", "cirrus": "cirrusdrmfb"]
        return claim.hasPrefix(known[driver] ?? driver)
    }

    /// Modules, drivers and regions differ in `-`, `_` and case.
    private static func plain(_ name: String) -> String {
        name.lowercased().filter { $0 != "-" && $0 != "_" }
    }
}
