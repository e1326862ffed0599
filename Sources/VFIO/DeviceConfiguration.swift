internal import Aperture
internal import CLinux
internal import SystemPackage

/// A function's configuration, as VFIO shows it to a guest.
///
/// VFIO emulates some registers: the ids, as they were when the device was opened, and the BARs, with the flags of the
/// kernel's own resources (`vfio_bar_fixup()`). The class is read from the device each time.
struct DeviceConfiguration<Calls: VFIOCalls> {
    /// Where the MSI-X table is: its BAR, and its bytes in that BAR.
    struct MSIXTable {
        let bar: Int
        let range: Range<UInt64>
    }

    private let calls: Calls
    private let device: CInt
    private let address: PCIAddress
    private let offset: UInt64

    /// - Throws: ``VFIOError/silent(_:)`` when the function does not answer; ``VFIOError/call(_:target:errno:)``.
    init(_ calls: Calls, of device: CInt, at address: PCIAddress) throws(VFIOError) {
        self.calls = calls
        self.device = device
        self.address = address
        do {
            offset = try calls.region(UInt32(VFIO_PCI_CONFIG_REGION_INDEX), of: device).offset
        } catch {
            throw VFIOError(call: "VFIO_DEVICE_GET_REGION_INFO", target: "\(address) configuration", errno: error)
        }
        // A virtual function has no ids of its own, so VFIO shows the kernel's; the class is the device's.
        for register in [Self.identifiers, Self.revisionAndClass] where try word(register) == .max {
            throw .silent(address)
        }
    }

    func kind(ofBAR bar: Int) throws(VFIOError) -> BARKind {
        let register = try word(Self.firstBAR + 4 * UInt64(bar))
        // PCI_BASE_ADDRESS_SPACE_IO, PCI_BASE_ADDRESS_MEM_PREFETCH
        if register & 0x1 != 0 { return .ports }
        return register & 0x8 != 0 ? .prefetchableMemory : .memory
    }

    /// Whether the BAR is memory with 64-bit addresses, which takes up the next register too.
    func isWide(_ bar: Int) throws(VFIOError) -> Bool {
        // PCI_BASE_ADDRESS_MEM_TYPE_64
        try word(Self.firstBAR + 4 * UInt64(bar)) & 0x7 == 0x4
    }

    /// From the MSI-X capability; `nil` for a function that has none.
    func msixTable() throws(VFIOError) -> MSIXTable? {
        guard try word(Self.commandAndStatus) & Self.hasCapabilities != 0 else { return nil }
        var next = try word(Self.capabilities) & 0xfc
        // No more than 48 capabilities fit in the 256 bytes. The limit also ends a list that loops.
        for _ in 0..<48 where next != 0 {
            let capability = UInt64(next)
            let head = try word(capability)
            if head & 0xff == Self.msix {
                let table = try word(capability + 4)
                let start = UInt64(table & ~7)
                let entries = UInt64(head >> 16 & 0x7ff) + 1
                return MSIXTable(bar: Int(table & 7), range: start..<start + entries * 16)
            }
            next = head >> 8 & 0xfc
        }
        return nil
    }

    private func word(_ register: UInt64) throws(VFIOError) -> UInt32 {
        do {
            return try calls.readWord(at: offset + register, of: device)
        } catch {
            throw VFIOError(call: "read", target: "\(address) configuration at \(Hex(register))", errno: error)
        }
    }

    // PCI_* of include/uapi/linux/pci_regs.h; register offsets are in bytes.
    private static var identifiers: UInt64 { 0x00 }
    private static var commandAndStatus: UInt64 { 0x04 }
    private static var revisionAndClass: UInt64 { 0x08 }
    private static var firstBAR: UInt64 { 0x10 }
    private static var capabilities: UInt64 { 0x34 }
    /// PCI_STATUS_CAP_LIST
    private static var hasCapabilities: UInt32 { 0x10 << 16 }
    /// PCI_CAP_ID_MSIX
    private static var msix: UInt32 { 0x11 }
}
