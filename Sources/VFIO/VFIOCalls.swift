package import Aperture
package import SystemPackage

/// The system calls that a proof makes. A test answers them in place of the kernel.
///
/// Descriptors are plain numbers. Whoever opens one closes it; see ``OpenNode``.
package protocol VFIOCalls {
    /// Whether there is such a file, folder or node.
    func exists(_ path: String) -> Bool

    /// The names in a folder; none when there is no such folder.
    func list(_ folder: String) throws(Errno) -> [String]

    /// Opens a node to read and write.
    func open(_ node: String) throws(Errno) -> CInt

    /// Closes a descriptor; a failure is ignored.
    func close(_ descriptor: CInt)

    // MARK: Group and container

    /// VFIO_GET_API_VERSION
    func apiVersion(ofContainer container: CInt) throws(Errno) -> CInt

    /// VFIO_CHECK_EXTENSION
    func supports(_ container: CInt, _ type: UInt) throws(Errno) -> Bool

    /// VFIO_GROUP_GET_STATUS
    func isViable(_ group: CInt) throws(Errno) -> Bool

    /// VFIO_GROUP_SET_CONTAINER
    func setContainer(ofGroup group: CInt, to container: CInt) throws(Errno)

    /// VFIO_GROUP_UNSET_CONTAINER
    func unsetContainer(ofGroup group: CInt) throws(Errno)

    /// VFIO_SET_IOMMU
    func setIOMMU(ofContainer container: CInt, to type: UInt) throws(Errno)

    /// VFIO_GROUP_GET_DEVICE_FD
    func device(ofGroup group: CInt, named name: String) throws(Errno) -> CInt

    // MARK: The device's own node and an iommufd

    /// VFIO_DEVICE_BIND_IOMMUFD
    func bind(_ device: CInt, to iommufd: CInt) throws(Errno)

    /// IOMMU_IOAS_ALLOC
    func allocateAddressSpace(in iommufd: CInt) throws(Errno) -> UInt32

    /// VFIO_DEVICE_ATTACH_IOMMUFD_PT
    func attach(_ device: CInt, to addressSpace: UInt32) throws(Errno)

    /// IOMMU_IOAS_MAP
    /// - Returns: The address at which a device reads and writes the memory.
    func map(_ memory: borrowing MemoryPage, into addressSpace: UInt32, of iommufd: CInt) throws(Errno) -> UInt64

    /// IOMMU_IOAS_UNMAP
    func unmap(_ address: UInt64, size: UInt64, from addressSpace: UInt32, of iommufd: CInt) throws(Errno)

    // MARK: The device

    /// VFIO_DEVICE_GET_INFO
    func regionCount(of device: CInt) throws(Errno) -> UInt32

    /// VFIO_DEVICE_GET_REGION_INFO
    func region(_ index: UInt32, of device: CInt) throws(Errno) -> RegionInfo

    /// Maps a part of the device and unmaps it again.
    /// - Parameter piece: Byte offsets in the descriptor.
    func mapAndUnmap(_ piece: Range<UInt64>, of device: CInt) throws(Errno)

    /// Sizes base address registers, as the kernel does: writes all ones, reads back, and restores the value.
    /// - Parameters:
    ///   - bars: The BARs' numbers, 0 to 5.
    ///   - address: A function that this process has open through VFIO, so that nobody else uses it.
    /// - Returns: The value read back for each BAR; 0 for a BAR that does not exist.
    func size(_ bars: [Int], of address: PCIAddress) throws(Errno) -> [Int: UInt32]

    /// Reads four bytes, the lowest first.
    /// - Parameter offset: In the descriptor, in bytes.
    func readWord(at offset: UInt64, of device: CInt) throws(Errno) -> UInt32
}

/// A page of this process's memory that a device may read and write.
@safe package struct MemoryPage: ~Copyable {
    private let start: UnsafeMutableRawPointer
    /// In bytes.
    package let size: UInt64

    /// Allocates one page, aligned to its size.
    /// - Parameter size: The page size in bytes.
    package init(size: Int) {
        unsafe start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: size)
        self.size = UInt64(size)
    }

    deinit { unsafe start.deallocate() }

    /// The page's address in this process.
    package var address: UInt64 { UInt64(UInt(bitPattern: unsafe start)) }
}

/// An owned VFIO descriptor, closed when its owner goes. Closing a device's last descriptor resets the device if it can
/// be reset.
struct OpenNode<Calls: VFIOCalls>: ~Copyable {
    let descriptor: CInt
    private let calls: Calls

    /// Takes ownership of the descriptor.
    init(_ descriptor: CInt, _ calls: Calls) {
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit { calls.close(descriptor) }
}
