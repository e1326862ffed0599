/// A PCI class code: base class, subclass and programming interface, 24 bits (PCI Code and ID Assignment, chapter 1),
/// as sysfs `class` prints it: `0x030000`.
package struct PCIClass: Hashable, Sendable, RawRepresentable {
    /// The 24 bits, base class first.
    package let rawValue: UInt32

    /// Keeps the lower 24 bits.
    package init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xff_ffff
    }

    /// The base class: 0x03 is a display controller.
    package var base: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16) }

    /// Base class and subclass: 0x0300 VGA compatible, 0x0302 3D controller, 0x0380 other display controller.
    package var code: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 8) }

    /// Whether this is a display controller, of any subclass.
    package var isDisplay: Bool { base == 0x03 }

    /// Whether people hand such a device to guests as a GPU: every display device, processing accelerators (0x1200,
    /// such as AMD's MI300X) and co-processors (0x0b40). The last two draw nothing.
    package var isGPU: Bool { isDisplay || code == 0x1200 || code == 0x0b40 }

    /// Whether this is high-definition audio: a GPU has such a function for the sound of its display connectors.
    package var isHDAudio: Bool { code == 0x0403 }

    /// Whether vfio-pci itself evicts framebuffers for this class (`vfio_pci_is_vga()`, kernel 6.0 and later): 0x0300
    /// alone.
    package var isVGA: Bool { code == 0x0300 }

    /// A short name of the code for tables; its four digits where it has none.
    package var label: String {
        switch code {
        case 0x0300: "VGA"
        case 0x0301: "XGA"
        case 0x0302: "3D"
        case 0x0380: "display"
        case 0x0403: "audio"
        case 0x0b40: "co-processor"
        case 0x0c03: "USB"
        case 0x1200: "accelerator"
        default: Hex(code, digits: 4, prefix: "").description
        }
    }
}

extension PCIClass: CustomStringConvertible {
    package var description: String { Hex(rawValue, digits: 6).description }
}
