internal import CLinux
internal import Glibc
package import Aperture
package import KernelFiles
package import SystemPackage

/// The kernel's own VFIO, with its nodes below a root.
package struct KernelCalls: VFIOCalls {
    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    package func exists(_ path: String) -> Bool { tree.exists(path) }

    package func list(_ folder: String) throws(Errno) -> [String] {
        do {
            return try tree.listIfPresent(folder)
        } catch {
            throw error.errno
        }
    }

    package func open(_ node: String) throws(Errno) -> CInt { try tree.open(node, O_RDWR | O_NOFOLLOW).rawValue }

    package func close(_ descriptor: CInt) {
        // Nothing can be done about a failing close of a device node.
        try? FileDescriptor(rawValue: descriptor).close()
    }

    package func apiVersion(ofContainer container: CInt) throws(Errno) -> CInt {
        try check(clinux_vfio_api_version(container))
    }

    package func supports(_ container: CInt, _ type: UInt) throws(Errno) -> Bool {
        try check(clinux_vfio_supports_type1(container, type)) > 0
    }

    package func isViable(_ group: CInt) throws(Errno) -> Bool { try check(clinux_vfio_group_is_viable(group)) != 0 }

    package func setContainer(ofGroup group: CInt, to container: CInt) throws(Errno) {
        try check(clinux_vfio_group_set_container(group, container))
    }

    package func unsetContainer(ofGroup group: CInt) throws(Errno) {
        try check(clinux_vfio_group_unset_container(group))
    }

    package func setIOMMU(ofContainer container: CInt, to type: UInt) throws(Errno) {
        try check(clinux_vfio_set_iommu(container, type))
    }

    package func device(ofGroup group: CInt, named name: String) throws(Errno) -> CInt {
        try check(unsafe name.withCString { unsafe clinux_vfio_group_device(group, $0) })
    }

    package func bind(_ device: CInt, to iommufd: CInt) throws(Errno) {
        try check(clinux_vfio_bind_iommufd(device, iommufd))
    }

    package func allocateAddressSpace(in iommufd: CInt) throws(Errno) -> UInt32 {
        var addressSpace: UInt32 = 0
        try check(unsafe clinux_iommu_ioas_alloc(iommufd, &addressSpace))
        return addressSpace
    }

    package func attach(_ device: CInt, to addressSpace: UInt32) throws(Errno) {
        try check(clinux_vfio_attach_iommufd_pt(device, addressSpace))
    }

    package func map(
        _ memory: borrowing MemoryPage, into addressSpace: UInt32, of iommufd: CInt
    ) throws(Errno) -> UInt64 {
        var address: UInt64 = 0
        try check(
            unsafe clinux_iommu_ioas_map(iommufd, addressSpace, memory.address, memory.size, &address))
        return address
    }

    package func unmap(_ address: UInt64, size: UInt64, from addressSpace: UInt32, of iommufd: CInt) throws(Errno) {
        try check(clinux_iommu_ioas_unmap(iommufd, addressSpace, address, size))
    }

    package func regionCount(of device: CInt) throws(Errno) -> UInt32 {
        UInt32(try check(clinux_vfio_region_count(device)))
    }

    package func region(_ index: UInt32, of device: CInt) throws(Errno) -> RegionInfo {
        // Room for a few hundred areas; of 64-bit numbers, for their alignment.
        var answer = [UInt64](repeating: 0, count: 512)
        let count = answer.count * MemoryLayout<UInt64>.size
        let length = unsafe answer.withUnsafeMutableBytes {
            unsafe clinux_vfio_region(device, index, $0.baseAddress, count)
        }
        guard length >= 0 else { throw Errno(rawValue: CInt(-length)) }
        guard let info = RegionInfo(unsafe answer.withUnsafeBytes { unsafe Array($0) }) else { throw .badMessage }
        return info
    }

    package func mapAndUnmap(_ piece: Range<UInt64>, of device: CInt) throws(Errno) {
        try check(clinux_vfio_map(device, piece.lowerBound, UInt64(piece.count)))
    }

    package func size(_ bars: [Int], of address: PCIAddress) throws(Errno) -> [Int: UInt32] {
        let config = try tree.open("\(KernelPath.device(address))/config", O_RDWR | O_NOFOLLOW)
        defer {
            // What was written has its own errors.
            try? config.close()
        }
        var found = [UInt32](repeating: 0, count: 6)
        try check(unsafe clinux_size_bars(config.rawValue, bars.reduce(0) { $0 | 1 << CUnsignedInt($1) }, &found))
        return Dictionary(uniqueKeysWithValues: bars.map { ($0, UInt32(littleEndian: found[$0])) })
    }

    package func readWord(at offset: UInt64, of device: CInt) throws(Errno) -> UInt32 {
        var word: UInt32 = 0
        let count = unsafe pread(device, &word, MemoryLayout<UInt32>.size, off_t(offset))
        guard count >= 0 else { throw Errno(rawValue: errno) }
        guard count == MemoryLayout<UInt32>.size else { throw .ioError }
        return UInt32(littleEndian: word)
    }

    @discardableResult
    private func check(_ result: CInt) throws(Errno) -> CInt {
        guard result >= 0 else { throw Errno(rawValue: -result) }
        return result
    }
}
