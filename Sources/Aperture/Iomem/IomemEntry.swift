/// One line of /proc/iomem: a named resource and the range it owns (`struct resource`, printed by `r_show()`).
package struct IomemEntry: Hashable, Sendable {
    package let range: AddressRange
    package let name: String

    package init(range: AddressRange, name: String) {
        self.range = range
        self.name = name
    }
}

extension IomemEntry: CustomStringConvertible {
    package var description: String { "\(name) \(range)" }
}
