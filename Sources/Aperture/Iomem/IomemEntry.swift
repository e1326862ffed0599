/// One line of /proc/iomem: a named resource and the range it owns (`struct resource`, printed by `r_show()`).
package struct IomemEntry: Hashable, Sendable {
    /// The physical addresses of the resource.
    package let range: AddressRange
    /// The name that its owner registered: a driver's, or a PCI address for a BAR. It may be empty.
    package let name: String

    /// An entry as a line shows it, or as another witness names it.
    package init(range: AddressRange, name: String) {
        self.range = range
        self.name = name
    }
}

extension IomemEntry: CustomStringConvertible {
    package var description: String { "\(name) \(range)" }
}
