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
