/// Whether the host keeps a display device that it can draw on.
///
/// It knows what the snapshot shows: PCI display devices with their drivers, platform framebuffers, and every `/dev/fbN`
/// (USB adapters and displays of no bus have one where DRM's fbdev emulation is on). Not covered is a DRM device of no PCI
/// function without such a node. Whether a monitor is plugged in is not asked.
package struct LastDisplay: Sendable {
    private let snapshot: Snapshot
    /// Where each bound platform framebuffer is; those whose place nothing tells are not in it.
    private let places: [String: Place]

    private enum Place: Hashable {
        case function(PCIAddress)
        /// In memory that is no display device's: a board's own screen.
        case elsewhere
    }

    private init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        let bound = snapshot.platformFramebuffers.filter { $0.driver != nil }
        let found = bound.compactMap { device in Self.place(of: device, in: snapshot).map { (device.name, $0) } }
        places = Dictionary(found) { first, _ in first }
    }

    /// What to say when these functions are taken, and nothing is left that the host can draw on; `nil` when something is,
    /// or when it cannot draw on these either.
    package static func warning(taking functions: Set<PCIAddress>, in snapshot: Snapshot) -> String? {
        let display = LastDisplay(snapshot)
        let drawable = snapshot.gpus.filter(display.canBeDrawnOn).map(\.address)
        guard drawable.contains(where: functions.contains), drawable.allSatisfy(functions.contains) else { return nil }
        guard !display.hasScreenElsewhere else { return nil }
        return "This is the last display device that the host can draw on: its screen stays dark until the release."
    }

    private func canBeDrawnOn(_ function: PCIFunction) -> Bool {
        // A 3D controller has no connector (class 0302), and a virtual function none of its own.
        guard function.pciClass.isDisplay, function.pciClass.code != 0x0302, function.physicalFunction == nil,
            !function.isDead
        else { return false }
        if let driver = function.driver { return !function.isOnVFIO && !Self.handsOver(driver) }
        let isVGAText = function.bootVGA == true && snapshot.consoles.contains { $0.isVGAText && $0.isBound == true }
        return isVGAText || places.values.contains(.function(function.address))
    }

    /// Drivers beside VFIO's that keep a device for user space or for another domain.
    private static func handsOver(_ driver: String) -> Bool { ["pci-stub", "pciback", "xen-pciback"].contains(driver) }

    // MARK: - Framebuffers

    /// A framebuffer of no PCI device: a USB adapter's, a board's.
    private var hasScreenElsewhere: Bool {
        let platform = Set(snapshot.platformFramebuffers.map(\.name))
        let others = snapshot.framebuffers.compactMap(\.device).filter { device in
            // vkms draws into memory and nowhere else.
            PCIAddress(device) == nil && !platform.contains(device) && device != "vkms"
        }
        return !others.isEmpty || places.values.contains(.elsewhere)
    }

    /// The first of the witnesses that says something: the kernel's own parent link, the legacy device, then the ranges.
    private static func place(of device: PlatformFramebuffer, in snapshot: Snapshot) -> Place? {
        if let parent = device.parent { return .function(parent) }
        if device.isLegacyVGA {
            return snapshot.gpus.first { $0.bootVGA == true }.map { .function($0.address) }
        }
        let ranges = ranges(of: device, in: snapshot)
        let function = snapshot.gpus.first { function in
            ranges.contains { function.memoryBAR(overlapping: $0) != nil }
        }
        return function.map { .function($0.address) } ?? (ranges.isEmpty ? nil : .elsewhere)
    }

    private static func ranges(of device: PlatformFramebuffer, in snapshot: Snapshot) -> [AddressRange] {
        var ranges = snapshot.framebuffers.filter { $0.device == device.name }.compactMap(\.memory)
        if case .entries(let tree) = snapshot.memoryMap {
            let names = FramebufferDriver.entryNames(ofDeviceKind: device.kind) + [device.name]
            ranges += tree.entries.filter { names.contains($0.name) }.map(\.range)
        }
        return ranges
    }
}
