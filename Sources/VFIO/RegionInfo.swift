/// One region of a device: struct vfio_region_info and its capabilities (linux/vfio.h).
package struct RegionInfo: Hashable, Sendable {
    /// In bytes; 0 for a region that the device does not have.
    package var size: UInt64
    /// Where the region begins in the device's descriptor, in bytes.
    package var offset: UInt64
    /// Whether the region, or its ``areas``, can be mapped: VFIO_REGION_INFO_FLAG_MMAP.
    package var canMap: Bool
    /// The only parts that can be mapped, as byte offsets in the region: VFIO_REGION_INFO_CAP_SPARSE_MMAP. `nil`
    /// without that capability.
    package var areas: [Range<UInt64>]?
    /// Whether a mapping may include the MSI-X table: VFIO_REGION_INFO_CAP_MSIX_MAPPABLE.
    package var canMapMSIX: Bool

    /// A region from its parts, for a test or for one that VFIO does not list.
    package init(
        size: UInt64, offset: UInt64, canMap: Bool, areas: [Range<UInt64>]? = nil, canMapMSIX: Bool = false
    ) {
        self.size = size
        self.offset = offset
        self.canMap = canMap
        self.areas = areas
        self.canMapMSIX = canMapMSIX
    }

    /// Parses the kernel's answer; `nil` when a capability lies outside it, or an area ends outside the 64-bit space.
    /// - Parameter bytes: struct vfio_region_info and its capabilities.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 32 else { return nil }
        let flags = bytes.number32(at: 4)
        self.init(
            size: bytes.number64(at: 16), offset: bytes.number64(at: 24), canMap: flags & Self.flagMap != 0)
        guard flags & Self.flagCapabilities != 0 else { return }
        var next = Int(bytes.number32(at: 12))
        // Each capability lies behind the one before it (`vfio_info_cap_add()`), so the walk ends.
        while next != 0 {
            guard next <= bytes.count - 8 else { return nil }
            switch bytes.number16(at: next) {
            case 1:
                guard next <= bytes.count - 16, let areas = Self.areas(bytes, at: next) else { return nil }
                self.areas = areas
            case 3: canMapMSIX = true
            default: break
            }
            let following = Int(bytes.number32(at: next + 4))
            guard following == 0 || following > next else { return nil }
            next = following
        }
    }

    private static func areas(_ bytes: [UInt8], at capability: Int) -> [Range<UInt64>]? {
        let count = Int(bytes.number32(at: capability + 8))
        guard count <= (bytes.count - capability - 16) / 16 else { return nil }
        var areas: [Range<UInt64>] = []
        for place in (0..<count).map({ capability + 16 + 16 * $0 }) {
            let start = bytes.number64(at: place)
            let (end, overflow) = start.addingReportingOverflow(bytes.number64(at: place + 8))
            guard !overflow else { return nil }
            if start < end { areas.append(start..<end) }
        }
        return areas
    }

    private static let flagMap: UInt32 = 1 << 2
    private static let flagCapabilities: UInt32 = 1 << 3
}

/// The kernel's numbers have the machine's byte order, which is little-endian wherever Swift runs.
extension [UInt8] {
    fileprivate func number16(at place: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(at: place, size: 2)) }

    fileprivate func number32(at place: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(at: place, size: 4)) }

    fileprivate func number64(at place: Int) -> UInt64 { number(at: place, size: 8) }

    private func number(at place: Int, size: Int) -> UInt64 {
        self[place..<place + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
