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
        unsafe text { access, buffer, size in unsafe cpci_name(access, buffer, size, CInt(vendor), CInt(device)) }
            ?? "\(Self.number(vendor)):\(Self.number(device))"
    }

    /// The vendor's name and the device's; their numbers where the list has no entry.
    package func parts(vendor: UInt16, device: UInt16) -> DeviceName {
        DeviceName(
            vendor: unsafe text { access, buffer, size in unsafe cpci_vendor_name(access, buffer, size, CInt(vendor)) }
                ?? Self.number(vendor),
            device: unsafe text { access, buffer, size in
                unsafe cpci_device_name(access, buffer, size, CInt(vendor), CInt(device))
            } ?? Self.number(device))
    }

    private func text(
        _ lookUp: (OpaquePointer, UnsafeMutablePointer<CChar>, CInt) -> UnsafePointer<CChar>?
    ) -> String? {
        guard let access = unsafe access else { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress, let name = unsafe lookUp(access, base, CInt(buffer.count)) else {
                return nil
            }
            return unsafe String(cString: name)
        }
    }

    private static func number(_ value: UInt16) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}

/// A device's name, and what can be left out of it.
package struct DeviceName: Hashable, Sendable {
    /// `Advanced Micro Devices, Inc. [AMD/ATI]`.
    package let vendor: String
    /// `Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]`.
    package let device: String

    /// A name of these two parts, as pci.ids has them.
    package init(vendor: String, device: String) {
        self.vendor = vendor
        self.device = device
    }

    /// The name as it fits into so many columns. What tells least goes first: the vendor's legal name, then the chip's
    /// name before the one on the box, and then the end.
    package func fitting(_ columns: Int) -> String {
        let forms = ["\(vendor) \(device)", "\(shortVendor) \(device)", "\(shortVendor) \(productName)"]
        if let form = forms.first(where: { $0.count <= columns }) { return form }
        return forms[2].prefix(max(0, columns - 1)) + "…"
    }

    /// `AMD`, `NVIDIA`: the name in brackets, or the name without the kind of company.
    private var shortVendor: String {
        if let name = Self.bracketed(vendor) { return String(name.prefix { $0 != "/" }) }
        let kinds: Set<Substring> = ["Corporation", "Corp.", "Corp", "Inc.", "Inc", "Ltd.", "Ltd", "Co.", "Company"]
        let words = vendor.split(separator: " ").prefix { !kinds.contains($0) }
        var name = words.joined(separator: " ")
        if name.hasSuffix(",") { name.removeLast() }
        return name.isEmpty ? vendor : name
    }

    /// `Radeon RX 7900 XT/7900 XTX/7900M`: the name in brackets, or all of it.
    private var productName: String { Self.bracketed(device) ?? device }

    private static func bracketed(_ text: String) -> String? {
        guard text.hasSuffix("]"), let open = text.lastIndex(of: "[") else { return nil }
        return String(text[text.index(after: open)...].dropLast())
    }
}
