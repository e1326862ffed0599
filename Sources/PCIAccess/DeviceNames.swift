internal import CPCI

/// Names of PCI devices from the system's `pci.ids`, through libpci.
@safe package struct DeviceNames: ~Copyable {
    /// Owned: freed by `pci_cleanup()`. `nil` without libpci, or when it had no memory: every name is then a pair of
    /// numbers.
    private let access: OpaquePointer?

    /// Loads libpci and prepares it for looking up names; it does not touch the bus.
    package init() {
        unsafe access = unsafe cpci_open()
    }

    deinit {
        if let access = unsafe access { unsafe cpci_close(access) }
    }

    /// `Vendor Device`, as `lspci` prints it; the two numbers in hexadecimal where the list has no entry.
    package func name(vendor: UInt16, device: UInt16) -> String {
        let number = { (value: UInt16) in
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 4 - digits.count) + digits
        }
        let plain = "\(number(vendor)):\(number(device))"
        guard let access = unsafe access else { return plain }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard
                let base = buffer.baseAddress,
                let name = unsafe cpci_name(access, base, CInt(buffer.count), CInt(vendor), CInt(device))
            else { return plain }
            return unsafe String(cString: name)
        }
    }
}
