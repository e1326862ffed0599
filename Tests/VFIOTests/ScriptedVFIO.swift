import Aperture
import KernelFiles
import SystemPackage
import VFIO

/// VFIO as a kernel plays it, over functions that are made up, and failing where it is told to.
final class ScriptedVFIO: VFIOCalls {
    struct BAR {
        enum Kind: UInt32 {
            case ports = 0x1
            case memory = 0x0
            case prefetchable = 0xc
        }

        var kind = Kind.prefetchable
        var size: UInt64
        var canMap = true
        /// What VFIO allows to be mapped, where that is pieces.
        var areas: [Range<UInt64>]?
        var canMapMSIX = true
        var mapError: Errno?
        var readError: Errno?
    }

    struct Function {
        var address: PCIAddress
        var group = 12
        /// The name of its node in /dev/vfio/devices.
        var node: String? = "vfio0"
        var bars: [Int: BAR]
        var regions: UInt32 = 9
        /// BAR and place.
        var msix: (bar: Int, start: UInt64, entries: UInt32)?
        var identifiers: UInt32 = 0x1111_1234
        var revisionAndClass: UInt32 = 0x0380_0002
        /// A capability list that leads back to its start.
        var biteItsTail = false
        /// What registers read when they are sized, where there is no BAR to VFIO.
        var sizes: [Int: UInt32] = [:]
    }

    static let page: UInt64 = 4096

    var functions: [Function]
    /// What exists below /dev.
    var nodes: Set<String>
    /// By call, as the product names it, or by what is opened.
    var failures: [String: Errno] = [:]
    var isViable = true
    /// What was called, in order. Reads of the configuration and questions are left out.
    private(set) var log: [String] = []
    /// The registers that were sized.
    private(set) var sized: [Int] = []

    private enum Thing: Equatable {
        case container
        case group(Int)
        case iommufd
        case device(Int, isOpen: Bool, isAttached: Bool)
    }

    private var things: [CInt: Thing] = [:]
    private var next: CInt = 100
    private var memory: UInt64?

    init(_ functions: [Function], hasGroups: Bool = true, hasNodes: Bool = false) {
        self.functions = functions
        nodes = []
        if hasGroups { nodes.formUnion(["/dev/vfio/vfio"] + functions.map { "/dev/vfio/\($0.group)" }) }
        if hasNodes {
            nodes.formUnion(["/dev/iommu"] + functions.compactMap(\.node).map { "/dev/vfio/devices/\($0)" })
        }
    }

    /// Nothing is open, and no device has this process's memory.
    var isSettled: Bool { things.isEmpty && memory == nil }

    // MARK: - Nodes

    func exists(_ path: String) -> Bool { nodes.contains(path) }

    func list(_ folder: String) throws(Errno) -> [String] {
        try fail("list")
        return functions.filter { folder == "/sys/bus/pci/devices/\($0.address)/vfio-dev" }.compactMap(\.node)
    }

    func open(_ node: String) throws(Errno) -> CInt {
        log.append("open \(node)")
        try fail(node)
        guard nodes.contains(node) else { throw .noSuchFileOrDirectory }
        switch node {
        case "/dev/vfio/vfio": return give(.container)
        case "/dev/iommu": return give(.iommufd)
        default: break
        }
        if let index = functions.firstIndex(where: { node == "/dev/vfio/devices/\($0.node ?? "-")" }) {
            return give(.device(index, isOpen: false, isAttached: false))
        }
        guard let function = functions.first(where: { node == "/dev/vfio/\($0.group)" }) else { throw .noSuchDevice }
        return give(.group(function.group))
    }

    func close(_ descriptor: CInt) {
        guard let thing = things.removeValue(forKey: descriptor) else {
            log.append("close of what is not open")
            return
        }
        switch thing {
        case .container: log.append("close container")
        case .group(let number): log.append("close group \(number)")
        case .iommufd: log.append("close iommufd")
        case .device(let index, _, _): log.append("close \(functions[index].address)")
        }
    }

    private func give(_ thing: Thing) -> CInt {
        next += 1
        things[next] = thing
        return next
    }

    // MARK: - Group and container

    func apiVersion(ofContainer container: CInt) throws(Errno) -> CInt {
        try fail("VFIO_GET_API_VERSION")
        return 0
    }

    func supports(_ container: CInt, _ type: UInt) throws(Errno) -> Bool {
        try fail("VFIO_CHECK_EXTENSION")
        return type == 3
    }

    func isViable(_ group: CInt) throws(Errno) -> Bool {
        try fail("VFIO_GROUP_GET_STATUS")
        return isViable
    }

    func setContainer(ofGroup group: CInt, to container: CInt) throws(Errno) {
        try fail("VFIO_GROUP_SET_CONTAINER")
        guard things[container] == .container else { throw .invalidArgument }
    }

    func unsetContainer(ofGroup group: CInt) throws(Errno) {
        log.append("unset container")
        try fail("VFIO_GROUP_UNSET_CONTAINER")
        // Of a group with an open device it is EBUSY.
        for case .device in things.values { throw .resourceBusy }
    }

    func setIOMMU(ofContainer container: CInt, to type: UInt) throws(Errno) {
        try fail("VFIO_SET_IOMMU")
        guard type == 3 else { throw .invalidArgument }
    }

    func device(ofGroup group: CInt, named name: String) throws(Errno) -> CInt {
        log.append("device \(name)")
        try fail("VFIO_GROUP_GET_DEVICE_FD")
        guard let index = functions.firstIndex(where: { $0.address.description == name }),
            things[group] == .group(functions[index].group)
        else { throw .noSuchDevice }
        return give(.device(index, isOpen: true, isAttached: true))
    }

    // MARK: - The device's own node and an iommufd

    func bind(_ device: CInt, to iommufd: CInt) throws(Errno) {
        log.append("bind")
        try fail("VFIO_DEVICE_BIND_IOMMUFD")
        guard case .device(let index, false, _) = things[device], things[iommufd] == .iommufd else {
            throw .invalidArgument
        }
        // vfio_device_block_group()
        guard !things.values.contains(.group(functions[index].group)) else { throw .resourceBusy }
        things[device] = .device(index, isOpen: true, isAttached: false)
    }

    func allocateAddressSpace(in iommufd: CInt) throws(Errno) -> UInt32 {
        log.append("allocate")
        try fail("IOMMU_IOAS_ALLOC")
        return 7
    }

    func attach(_ device: CInt, to addressSpace: UInt32) throws(Errno) {
        log.append("attach")
        try fail("VFIO_DEVICE_ATTACH_IOMMUFD_PT")
        guard case .device(let index, true, _) = things[device], addressSpace == 7 else { throw .invalidArgument }
        things[device] = .device(index, isOpen: true, isAttached: true)
    }

    func map(_ page: borrowing MemoryPage, into addressSpace: UInt32, of iommufd: CInt) throws(Errno) -> UInt64 {
        log.append("map memory")
        try fail("IOMMU_IOAS_MAP")
        guard page.size == Self.page, page.address % Self.page == 0, memory == nil else { throw .invalidArgument }
        memory = 0x10000
        return 0x10000
    }

    func unmap(_ address: UInt64, size: UInt64, from addressSpace: UInt32, of iommufd: CInt) throws(Errno) {
        log.append("unmap memory")
        defer { memory = nil }
        try fail("IOMMU_IOAS_UNMAP")
        guard address == memory, size == Self.page else { throw .invalidArgument }
    }

    // MARK: - The device

    func regionCount(of device: CInt) throws(Errno) -> UInt32 {
        try fail("VFIO_DEVICE_GET_INFO")
        return try function(device).regions
    }

    func region(_ index: UInt32, of device: CInt) throws(Errno) -> RegionInfo {
        let function = try function(device)
        // VFIO_PCI_INDEX_TO_OFFSET()
        let offset = UInt64(index) << 40
        if index == 7 { return RegionInfo(size: 256, offset: offset, canMap: false) }
        try fail("VFIO_DEVICE_GET_REGION_INFO")
        guard let bar = function.bars[Int(index)] else { return RegionInfo(size: 0, offset: offset, canMap: false) }
        let holdsTable = function.msix?.bar == Int(index)
        return RegionInfo(
            size: bar.size, offset: offset, canMap: bar.canMap, areas: bar.areas,
            canMapMSIX: holdsTable && bar.canMapMSIX)
    }

    func mapAndUnmap(_ piece: Range<UInt64>, of device: CInt) throws(Errno) {
        let (function, index, bar) = try place(piece.lowerBound, of: device)
        let range = piece.lowerBound & ~(UInt64.max << 40)..<piece.upperBound - UInt64(index) << 40
        log.append("map BAR \(index) \(Hex(range.lowerBound))-\(Hex(range.upperBound))")
        if let error = bar.mapError { throw error }
        let isAligned = range.lowerBound % Self.page == 0 && range.upperBound % Self.page == 0
        guard bar.canMap, bar.kind != .ports, isAligned, range.upperBound <= bar.size else { throw .invalidArgument }
        if let areas = bar.areas,
            !areas.contains(where: { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound })
        {
            throw .invalidArgument
        }
        if let msix = function.msix, msix.bar == index, !bar.canMapMSIX,
            range.overlaps(msix.start..<msix.start + UInt64(msix.entries) * 16)
        {
            throw .invalidArgument
        }
    }

    func size(_ bars: [Int], of address: PCIAddress) throws(Errno) -> [Int: UInt32] {
        try fail("size")
        guard let function = functions.first(where: { $0.address == address }) else { throw .noSuchDevice }
        sized += bars
        return Dictionary(uniqueKeysWithValues: bars.map { ($0, function.sizes[$0] ?? 0) })
    }

    func readWord(at offset: UInt64, of device: CInt) throws(Errno) -> UInt32 {
        if offset >> 40 == 7 {
            try fail("read")
            return configuration(try function(device), at: offset & 0xff)
        }
        let (_, index, bar) = try place(offset, of: device)
        log.append("read BAR \(index) \(Hex(offset & ~(UInt64.max << 40)))")
        if let error = bar.readError { throw error }
        return 0xdead_beef
    }

    private func configuration(_ function: Function, at register: UInt64) -> UInt32 {
        switch register {
        case 0x00: return function.identifiers
        case 0x04: return function.msix == nil && !function.biteItsTail ? 0x0000_0007 : 0x0010_0007
        case 0x08: return function.revisionAndClass
        case 0x10..<0x28: return function.bars[Int(register - 0x10) / 4].map { 0xe000_0000 | $0.kind.rawValue } ?? 0
        case 0x34: return 0x40
        // Power management, and then MSI-X.
        case 0x40: return function.biteItsTail ? 0x0003_4001 : 0x0003_5001
        case 0x50: return 0x8000_0011 | ((function.msix?.entries ?? 1) - 1) << 16
        case 0x54: return UInt32(function.msix?.start ?? 0) | UInt32(function.msix?.bar ?? 0)
        default: return 0
        }
    }

    private func place(_ offset: UInt64, of device: CInt) throws(Errno) -> (Function, Int, BAR) {
        let function = try function(device)
        guard case .device(_, _, true) = things[device], let bar = function.bars[Int(offset >> 40)] else {
            throw .invalidArgument
        }
        return (function, Int(offset >> 40), bar)
    }

    private func function(_ device: CInt) throws(Errno) -> Function {
        guard case .device(let index, true, _) = things[device] else { throw .invalidArgument }
        return functions[index]
    }

    private func fail(_ call: String) throws(Errno) {
        if let errno = failures[call] { throw errno }
    }
}
