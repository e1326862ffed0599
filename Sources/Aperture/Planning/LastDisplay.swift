/// Whether the host keeps a display device that it can draw on.
///
/// It sees what the snapshot shows: PCI display devices with their drivers, platform framebuffers, and every `/dev/fbN`
/// (USB adapters and displays on no bus have one where DRM's fbdev emulation is on). It does not see a DRM device that
/// has neither a PCI function nor such a node, and does not ask whether a monitor is plugged in.
package struct LastDisplay: Sendable {
    private let snapshot: Snapshot
    /// Where each bound platform framebuffer is; one whose place is not known is left out.
    private let places: [String: Place]

    private enum Place: Hashable {
        case function(PCIAddress)
        /// In memory of no PCI display device: a board's own screen.
        case elsewhere
    }

    private init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        let bound = snapshot.platformFramebuffers.filter { $0.driver != nil }
        let found = bound.compactMap { device in Self.place(of: device, in: snapshot).map { (device.name, $0) } }
        places = Dictionary(found) { first, _ in first }
    }

    /// A warning, when the host can draw on one of these functions and on nothing else; `nil` otherwise.
    package static func warning(taking functions: Set<PCIAddress>, in snapshot: Snapshot) -> String? {
        let display = LastDisplay(snapshot)
        let drawable = snapshot.gpus.filter(display.canBeDrawnOn).map(\.address)
        guard drawable.contains(where: functions.contains), drawable.allSatisfy(functions.contains) else { return nil }
        guard !display.hasScreenElsewhere else { return nil }
        return "This is the last display device that the host can draw on: its screen stays dark until the release."
    }

    private func canBeDrawnOn(_ function: PCIFunction) -> Bool {
        // A 3D controller (class 0302) has no connector, and neither has a virtual function.
        guard function.pciClass.isDisplay, function.pciClass.code != 0x0302, function.physicalFunction == nil,
            !function.isDead
        else { return false }
        if let driver = function.driver { return !function.isOnVFIO && !Self.handsOver(driver) }
        let isVGAText = function.bootVGA == true && snapshot.consoles.contains { $0.isVGAText && $0.isBound == true }
        return isVGAText || places.values.contains(.function(function.address))
    }

    /// Whether the driver, which is not VFIO's, keeps its device for user space or for another domain.
    private static func handsOver(_ driver: String) -> Bool { ["pci-stub", "pciback", "xen-pciback"].contains(driver) }

    // MARK: - Framebuffers

    /// Whether there is a framebuffer of no PCI device, such as a USB adapter's or a board's.
    private var hasScreenElsewhere: Bool {
        let platform = Set(snapshot.platformFramebuffers.map(\.name))
        let others = snapshot.framebuffers.compactMap(\.device).filter { device in
            // vkms draws only into memory.
            PCIAddress(device) == nil && !platform.contains(device) && device != "vkms"
        }
        return !others.isEmpty || places.values.contains(.elsewhere)
    }

    /// Where the framebuffer is, by the first of these that tells: the kernel's own parent link, legacy VGA, the
    /// ranges.
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
