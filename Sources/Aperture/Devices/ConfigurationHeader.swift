/// The first 64 bytes of a function's configuration space (sysfs `config`; PCI Local Bus Specification 3.0, 6.1).
package struct ConfigurationHeader: Hashable, Sendable {
    /// How many bytes of the space this is.
    package static let size = 64

    private let bytes: [UInt8]

    /// Keeps the first 64 bytes; `nil` for fewer.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.size else { return nil }
        self.bytes = Array(bytes.prefix(Self.size))
    }

    /// Whether every byte is 0xff: the device fell off its bus, or does not come back from D3cold. No function has the
    /// vendor ID 0xffff.
    package var isAllOnes: Bool { bytes.allSatisfy { $0 == 0xff } }

    /// Bit 1 of the command register (`PCI_COMMAND_MEMORY`).
    package var decodesMemory: Bool { bytes[4] & 0x2 != 0 }

    /// The memory BARs whose registers are not zero, by number. A zero register says nothing: it may be a 32-bit BAR
    /// without an address, or no BAR. Only the header of an endpoint (type 0) has six registers; other types give an
    /// empty list.
    package var memoryBARs: [Int] {
        guard bytes[0x0e] & 0x7f == 0 else { return [] }
        var found: [Int] = []
        var index = 0
        while index < 6 {
            let register = self.register(0x10 + 4 * index)
            let isIO = register & 0x1 != 0
            // PCI_BASE_ADDRESS_MEM_TYPE_64: the next register holds the address's upper half.
            let isWide = !isIO && register & 0x6 == 0x4
            if register != 0, !isIO { found.append(index) }
            index += isWide ? 2 : 1
        }
        return found
    }

    private func register(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}
