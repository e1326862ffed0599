/// What sysfs `resource` says about a PCI function: where its BARs and its ROM are (`resource_show()` in
/// drivers/pci/pci-sysfs.c).
package struct ResourceTable: Hashable, Sendable {
    /// The BARs that are memory and have an address, ascending by number.
    package let memoryBARs: [BaseAddressRegister]

    /// The expansion ROM, where it has an address; for the boot display often its shadow at 0xc0000.
    package let rom: AddressRange?

    /// The memory BARs that the kernel found no room for (`IORESOURCE_UNSET`), by number: the device has them, and
    /// answers at no address.
    package let unassignedBARs: [Int]

    /// The BARs that are I/O or disabled, by number: the kernel knows them, and they decode no memory.
    package let otherBARs: [Int]

    /// A table of rows that are decoded already; each list ascends by number.
    package init(
        memoryBARs: [BaseAddressRegister], rom: AddressRange? = nil, unassignedBARs: [Int] = [], otherBARs: [Int] = []
    ) {
        self.otherBARs = otherBARs
        self.memoryBARs = memoryBARs
        self.rom = rom
        self.unassignedBARs = unassignedBARs
    }

    /// Reads the rows: BARs 0 to 5 and the ROM, which every kernel prints for every function. The SR-IOV and bridge
    /// windows that follow are only checked for their form.
    ///
    /// A row is `0xSTART 0xEND 0xFLAGS`, one space apart, 1 to 16 hexadecimal digits each, with an inclusive end.
    /// White space before it, blank lines, a carriage return before the line feed and a missing line feed at the very
    /// end are accepted, as in ``Iomem``. A row whose start and end are zero is unused. An end before the start in any
    /// other of the first seven rows is an error, and so are fewer than seven rows.
    ///
    /// Memory that the kernel marks as having no address (`IORESOURCE_UNSET`) or as disabled (`IORESOURCE_DISABLED`) is
    /// not among the memory BARs. An all-zero row says nothing: the function has no such BAR, or the kernel found no
    /// room for it and gave it up (`reset_resource()` in drivers/pci/setup-bus.c, seen on 6.1, 6.12 and 7.2).
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - source: The file's name in errors.
    package static func parse(_ bytes: [UInt8], source: String = "resource") throws(ParseError) -> ResourceTable {
        var cursor = LineCursor(bytes, source: source)
        var bars: [BaseAddressRegister] = []
        var unassigned: [Int] = []
        var others: [Int] = []
        var rom: AddressRange?
        var row = 0
        while cursor.findLine() {
            let start = try cursor.prefixedNumber()
            try cursor.skip(" ")
            let column = cursor.column
            let last = try cursor.prefixedNumber()
            try cursor.skip(" ")
            let flags = try cursor.prefixedNumber()

            if row <= romRow, start != 0 || last != 0 {
                guard let range = AddressRange(start: start, last: last) else {
                    throw cursor.error(expected: "an end not before the start", column: column)
                }
                let isMemory = flags & memory != 0
                if isMemory, flags & (unset | disabled) == 0 {
                    if row == romRow {
                        rom = range
                    } else {
                        bars.append(BaseAddressRegister(index: row, range: range, flags: flags))
                    }
                } else if row < romRow {
                    if isMemory, flags & unset != 0 { unassigned.append(row) } else { others.append(row) }
                }
            }
            try cursor.endLine()
            row += 1
        }
        guard row > romRow else { throw cursor.error(expected: "at least 7 rows") }
        return ResourceTable(memoryBARs: bars, rom: rom, unassignedBARs: unassigned, otherBARs: others)
    }

    private static let romRow = 6

    // IORESOURCE_* of include/linux/ioport.h.
    private static let memory: UInt64 = 0x200
    private static let disabled: UInt64 = 0x1000_0000
    private static let unset: UInt64 = 0x2000_0000
}

/// A memory BAR of a PCI function that has an address: a row of sysfs `resource`.
package struct BaseAddressRegister: Hashable, Sendable {
    /// 0 to 5. A 64-bit BAR takes up two registers and has the number of the lower one.
    package let index: Int
    /// The physical addresses to which the function answers.
    package let range: AddressRange
    /// `IORESOURCE_*` of include/linux/ioport.h.
    package let flags: UInt64

    /// A row as it was read; the flags are not checked.
    package init(index: Int, range: AddressRange, flags: UInt64) {
        self.index = index
        self.range = range
        self.flags = flags
    }

    /// `IORESOURCE_PREFETCH`.
    package var isPrefetchable: Bool { flags & 0x2000 != 0 }

    /// `IORESOURCE_MEM_64`.
    package var is64Bit: Bool { flags & 0x0010_0000 != 0 }
}

extension BaseAddressRegister: CustomStringConvertible {
    package var description: String { "BAR \(index) \(range)" }
}

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
