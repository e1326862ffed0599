package import Aperture
package import Udev

/// What the uevents that came together mean for one card. They are noted one at a time, in any order.
package struct UeventDigest: Hashable, Sendable {
    private let name: String
    private var isEmpty = true
    private var isRemoved = false
    private var areEventsLost = false

    package init(of address: PCIAddress) {
        name = address.description
    }

    package mutating func note(_ event: Uevent) {
        isEmpty = false
        if event.subsystem == "pci", event.name == name, event.action == "remove" { isRemoved = true }
    }

    /// Notes that the kernel had more events than the socket could hold.
    package mutating func noteLoss() {
        areEventsLost = true
    }

    /// `nil` when nothing came. A removal is told before all else: there is nothing left to compare.
    package var occasion: Occasion? {
        if isRemoved { return .removed }
        return isEmpty && !areEventsLost ? nil : .change(areEventsLost: areEventsLost)
    }
}
