internal import Aperture
internal import SystemPackage

/// The kind of a BAR, from its register.
enum BARKind {
    case ports
    case memory
    /// Memory in which a read has no side effect and writes may be merged.
    case prefetchableMemory
}

/// One BAR that VFIO exposes, and the attempt to map and read it.
struct BARTrial {
    private let region: RegionInfo
    private let kind: BARKind
    private let pageSize: UInt64
    /// The MSI-X table's bytes in this BAR; `nil` when it is not in this BAR.
    private let table: Range<UInt64>?
    /// The ranges that can be mapped, as offsets in the BAR, ascending.
    private let areas: [Range<UInt64>]

    init(_ region: RegionInfo, table: Range<UInt64>?, kind: BARKind, pageSize: UInt64) {
        self.region = region
        self.kind = kind
        self.pageSize = pageSize
        self.table = table
        areas = Self.areas(of: region, table: table, pageSize: pageSize)
    }

    private static func areas(of region: RegionInfo, table: Range<UInt64>?, pageSize: UInt64) -> [Range<UInt64>] {
        if let areas = region.areas { return areas.sorted { $0.lowerBound < $1.lowerBound } }
        guard let table, !region.canMapMSIX else { return [0..<region.size] }
        // VFIO refuses a mapping that touches the table (`vfio_pci_core_mmap()` before 4.16).
        let before = 0..<min(table.lowerBound / pageSize * pageSize, region.size)
        let behind = (table.upperBound + pageSize - 1) / pageSize * pageSize
        return [before, behind..<max(behind, region.size)].filter { !$0.isEmpty }
    }

    func proof(
        of address: PCIAddress, _ bar: Int, through interface: RegionProof.Interface, _ calls: some VFIOCalls,
        _ device: CInt
    ) -> RegionProof {
        var outcome = outcomeOfMapping(calls, device)
        var isRead = false
        if outcome == .mapped || outcome == .smallerThanPage, let place = harmlessPlace {
            do {
                // Use pread(2): when the device does not answer, a read of the mapping is a SIGBUS, and pread an error.
                // Before 7.2 pread reserves the BAR as mmap does (`vfio_pci_core_setup_barmap()`).
                _ = try calls.readWord(at: region.offset + place, of: device)
                isRead = true
            } catch {
                outcome = .unreadable(error)
            }
        }
        return RegionProof(
            address: address, interface: interface, bar: bar, size: region.size, outcome: outcome, isRead: isRead,
            keptBack: outcome == .mapped ? keptBack : [])
    }

    private func outcomeOfMapping(_ calls: some VFIOCalls, _ device: CInt) -> RegionProof.Outcome {
        if kind == .ports { return .ports }
        guard region.canMap, !areas.isEmpty else {
            return region.size < pageSize ? .smallerThanPage : .notMappable
        }
        for area in areas {
            let (start, overflow) = region.offset.addingReportingOverflow(area.lowerBound)
            let (end, overflowsToo) = region.offset.addingReportingOverflow(area.upperBound)
            guard !overflow, !overflowsToo else { return .failed(.overflow) }
            do {
                try calls.mapAndUnmap(start..<end, of: device)
            } catch {
                return .failed(error)
            }
        }
        return .mapped
    }

    /// The offset in the BAR at which a word can be read. Not in the MSI-X table: VFIO answers reads of that itself.
    private var harmlessPlace: UInt64? {
        guard kind == .prefetchableMemory else { return nil }
        let first = areas.first?.lowerBound ?? 0
        guard let table, table.contains(first) else { return first }
        return table.upperBound < region.size ? table.upperBound : nil
    }

    private var keptBack: [RegionProof.KeptBack] {
        var pieces: [RegionProof.KeptBack] = []
        var end: UInt64 = 0
        for start in areas.map(\.lowerBound) + [region.size] {
            if end < start {
                pieces.append(
                    .init(range: end..<start, holdsMSIXTable: table?.overlaps(end..<start) == true, isMapped: false))
            }
            end = areas.first { $0.lowerBound == start }.map { max(end, $0.upperBound) } ?? end
        }
        if let table, !pieces.contains(where: \.holdsMSIXTable) {
            pieces.append(.init(range: table, holdsMSIXTable: true, isMapped: true))
        }
        return pieces
    }
}
