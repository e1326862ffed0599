package import Aperture
internal import CLinux
internal import Glibc
package import KernelFiles
package import SystemPackage

/// The kernel's VFIO, with its device nodes below a root.
package struct KernelCalls: VFIOCalls {
    private let tree: FileTree

    /// - Parameter tree: The root below which the nodes, sysfs and the configuration spaces are opened.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Whether there is such a file below the root.
    package func exists(_ path: String) -> Bool { tree.exists(path) }

    /// The names in a folder; none when there is no such folder.
    package func list(_ folder: String) throws(Errno) -> [String] {
        do {
            return try tree.listIfPresent(folder)
        } catch {
            throw error.errno
        }
    }

    /// open(2) with O_RDWR and O_NOFOLLOW.
    package func open(_ node: String) throws(Errno) -> CInt { try tree.open(node, O_RDWR | O_NOFOLLOW).rawValue }

    /// close(2).
    package func close(_ descriptor: CInt) {
        // Nothing can be done about a failing close of a device node.
        try? FileDescriptor(rawValue: descriptor).close()
    }

    /// VFIO_GET_API_VERSION.
    package func apiVersion(ofContainer container: CInt) throws(Errno) -> CInt {
        try check(clinux_vfio_api_version(container))
    }

    /// VFIO_CHECK_EXTENSION.
    package func supports(_ container: CInt, _ type: UInt) throws(Errno) -> Bool {
        try check(clinux_vfio_supports_type1(container, type)) > 0
    }

    /// VFIO_GROUP_GET_STATUS: whether VFIO_GROUP_FLAGS_VIABLE is set.
    package func isViable(_ group: CInt) throws(Errno) -> Bool { try check(clinux_vfio_group_is_viable(group)) != 0 }

    /// VFIO_GROUP_SET_CONTAINER.
    package func setContainer(ofGroup group: CInt, to container: CInt) throws(Errno) {
        try check(clinux_vfio_group_set_container(group, container))
    }

    /// VFIO_GROUP_UNSET_CONTAINER.
    package func unsetContainer(ofGroup group: CInt) throws(Errno) {
        try check(clinux_vfio_group_unset_container(group))
    }

    /// VFIO_SET_IOMMU.
    package func setIOMMU(ofContainer container: CInt, to type: UInt) throws(Errno) {
        try check(clinux_vfio_set_iommu(container, type))
    }

    /// VFIO_GROUP_GET_DEVICE_FD.
    package func device(ofGroup group: CInt, named name: String) throws(Errno) -> CInt {
        try check(unsafe name.withCString { unsafe clinux_vfio_group_device(group, $0) })
    }

    /// VFIO_DEVICE_BIND_IOMMUFD.
    package func bind(_ device: CInt, to iommufd: CInt) throws(Errno) {
        try check(clinux_vfio_bind_iommufd(device, iommufd))
    }

    /// IOMMU_IOAS_ALLOC.
    package func allocateAddressSpace(in iommufd: CInt) throws(Errno) -> UInt32 {
        var addressSpace: UInt32 = 0
        try check(unsafe clinux_iommu_ioas_alloc(iommufd, &addressSpace))
        return addressSpace
    }

    /// VFIO_DEVICE_ATTACH_IOMMUFD_PT.
    package func attach(_ device: CInt, to addressSpace: UInt32) throws(Errno) {
        try check(clinux_vfio_attach_iommufd_pt(device, addressSpace))
    }

    /// IOMMU_IOAS_MAP.
    package func map(
        _ memory: borrowing MemoryPage, into addressSpace: UInt32, of iommufd: CInt
    ) throws(Errno) -> UInt64 {
        var address: UInt64 = 0
        try check(
            unsafe clinux_iommu_ioas_map(iommufd, addressSpace, memory.address, memory.size, &address))
        return address
    }

    /// IOMMU_IOAS_UNMAP.
    package func unmap(_ address: UInt64, size: UInt64, from addressSpace: UInt32, of iommufd: CInt) throws(Errno) {
        try check(clinux_iommu_ioas_unmap(iommufd, addressSpace, address, size))
    }

    /// VFIO_DEVICE_GET_INFO: its `num_regions`.
    package func regionCount(of device: CInt) throws(Errno) -> UInt32 {
        UInt32(try check(clinux_vfio_region_count(device)))
    }

    /// VFIO_DEVICE_GET_REGION_INFO with its capabilities.
    /// - Throws: EBADMSG for an answer that makes no sense.
    package func region(_ index: UInt32, of device: CInt) throws(Errno) -> RegionInfo {
        // Room for a few hundred areas, in 64-bit numbers for the alignment.
        var answer = [UInt64](repeating: 0, count: 512)
        let count = answer.count * MemoryLayout<UInt64>.size
        let length = unsafe answer.withUnsafeMutableBytes {
            unsafe clinux_vfio_region(device, index, $0.baseAddress, count)
        }
        guard length >= 0 else { throw Errno(rawValue: CInt(-length)) }
        guard let info = RegionInfo(unsafe answer.withUnsafeBytes { unsafe Array($0) }) else { throw .badMessage }
        return info
    }

    /// mmap(2) and munmap(2).
    package func mapAndUnmap(_ piece: Range<UInt64>, of device: CInt) throws(Errno) {
        try check(clinux_vfio_map(device, piece.lowerBound, UInt64(piece.count)))
    }

    /// Sizes the registers through sysfs `config`. A kernel that is locked down refuses the open or the write.
    package func size(_ bars: [Int], of address: PCIAddress) throws(Errno) -> [Int: UInt32] {
        let config = try tree.open("\(KernelPath.device(address))/config", O_RDWR | O_NOFOLLOW)
        defer {
            // The writes report their own errors.
            try? config.close()
        }
        var found = [UInt32](repeating: 0, count: 6)
        try check(unsafe clinux_size_bars(config.rawValue, bars.reduce(0) { $0 | 1 << CUnsignedInt($1) }, &found))
        return Dictionary(uniqueKeysWithValues: bars.map { ($0, UInt32(littleEndian: found[$0])) })
    }

    /// pread(2) of four bytes.
    /// - Throws: EIO for a short read.
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
