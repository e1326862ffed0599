package import Aperture

/// Something that stands in a fixture machine.
package protocol Part {
    func place(in machine: inout Machine)
}

/// The running kernel.
package struct Kernel: Part {
    let release: String

    package init(_ release: String) {
        self.release = release
    }

    package func place(in machine: inout Machine) { machine.kernel = release }
}

/// A memory BAR: index and inclusive range.
package struct BAR: Hashable, Sendable {
    package var index: Int
    package var range: AddressRange
    /// IORESOURCE flags; a 32-bit prefetchable memory BAR by default.
    package var flags: UInt64

    package init(_ index: Int, _ range: ClosedRange<UInt64>, flags: UInt64 = 0x42208) {
        self.index = index
        self.range = AddressRange(start: range.lowerBound, last: range.upperBound) ?? .all
        self.flags = flags
    }

    /// A 64-bit prefetchable memory BAR.
    package static func wide(_ index: Int, _ range: ClosedRange<UInt64>) -> BAR {
        BAR(index, range, flags: 0x14220c)
    }
}

/// A PCI function: a GPU unless the class says otherwise.
package struct Function: Part {
    package var address: String
    package var pciClass: UInt32
    package var vendor: UInt16
    package var device: UInt16
    package var bars: [BAR]
    package var driver: String?
    package var override: String?
    package var bootVGA: Bool?
    /// The IOMMU group; `nil` without an IOMMU.
    package var group: Int?
    /// The bridge above it, by address; `nil` on the root bus.
    package var below: String?
    /// `subsystem_vendor` and `subsystem_device`.
    package var subsystem: (vendor: UInt16, device: UInt16)?
    /// The first bytes of its configuration; without any there is no `config`.
    package var configuration: [UInt8]?
    /// The function whose virtual function it is, by address.
    package var physicalFunction: String?
    /// Whether its header is a bridge's.
    package var isBridge: Bool
    /// The name of its VFIO device: `vfio0`.
    package var vfioDevice: String?

    package init(
        _ address: String, class pciClass: UInt32, bars: [BAR] = [], driver: String? = nil, override: String? = nil,
        bootVGA: Bool? = nil, group: Int? = 1, below: String? = nil, vendor: UInt16 = 0x1234, device: UInt16 = 0x1111,
        physicalFunction: String? = nil, isBridge: Bool? = nil, vfioDevice: String? = nil,
        configuration: [UInt8]? = nil
    ) {
        self.vendor = vendor
        self.device = device
        self.physicalFunction = physicalFunction
        self.isBridge = isBridge ?? (pciClass >> 8 == 0x0604)
        self.vfioDevice = vfioDevice
        self.configuration = configuration
        self.address = address
        self.pciClass = pciClass
        self.bars = bars
        self.driver = driver
        self.override = override
        self.bootVGA = bootVGA
        self.group = group
        self.below = below
    }

    package func place(in machine: inout Machine) {
        machine.functions.append(self)
        machine.lines += bars.map { IomemEntry(range: $0.range, name: address) }
        if let driver { machine.drivers.insert(driver) }
    }
}

/// A display controller that is not VGA compatible, with one 16 MiB BAR, unless told otherwise.
package struct GPU: Part {
    let function: Function

    package init(
        _ address: String, class pciClass: UInt32 = 0x038000, bars: [BAR] = [BAR(0, 0xc000_0000...0xc0ff_ffff)],
        driver: String? = nil, override: String? = nil, bootVGA: Bool? = nil, group: Int? = 1, below: String? = nil,
        vendor: UInt16 = 0x1234, device: UInt16 = 0x1111, physicalFunction: String? = nil, vfioDevice: String? = nil,
        configuration: [UInt8]? = nil
    ) {
        function = Function(
            address, class: pciClass, bars: bars, driver: driver, override: override, bootVGA: bootVGA, group: group,
            below: below, vendor: vendor, device: device, physicalFunction: physicalFunction, vfioDevice: vfioDevice,
            configuration: configuration)
    }

    package func place(in machine: inout Machine) { function.place(in: &machine) }
}

/// A line of /proc/iomem that belongs to nothing else in the fixture.
package struct Line: Part {
    let entry: IomemEntry

    package init(_ range: ClosedRange<UInt64>, _ name: String) {
        entry = IomemEntry(range: AddressRange(start: range.lowerBound, last: range.upperBound) ?? .all, name: name)
    }

    package func place(in machine: inout Machine) { machine.lines.append(entry) }
}

/// A firmware framebuffer: its platform device, its driver, its entries in /proc/iomem.
package struct FirmwareFramebuffer: Part {
    package enum Kind: String, Sendable {
        case efifb, efidrm, vesafb, simplefb, simpledrm
        /// `BOOTFB` around simpledrm, as SYSFB_SIMPLEFB kernels have it.
        case bootSimpledrm
        /// The same from coreboot's table.
        case corebootSimpledrm
        case corebootdrm
        case ofdrm
        case vga16fb

        var entryName: String {
            switch self {
            case .bootSimpledrm, .corebootSimpledrm: "simpledrm"
            default: rawValue
            }
        }
        /// The entry of the device itself.
        var residue: String? {
            switch self {
            case .bootSimpledrm: "BOOTFB"
            case .corebootSimpledrm: "Coreboot Framebuffer"
            case .corebootdrm: "coreboot-framebuffer.0"
            default: nil
            }
        }
        var driver: String { self == .vga16fb ? "vga16fb" : deviceKind }
        var deviceKind: String {
            switch self {
            case .efifb, .efidrm: "efi-framebuffer"
            case .vesafb: "vesa-framebuffer"
            case .simplefb, .simpledrm, .bootSimpledrm, .corebootSimpledrm: "simple-framebuffer"
            case .corebootdrm: "coreboot-framebuffer"
            case .ofdrm: "of-display"
            case .vga16fb: "vga-framebuffer"
            }
        }
    }

    package var kind: Kind
    package var range: AddressRange
    package var instance: Int
    package var isBound: Bool
    /// The PCI parent (6.9 and later).
    package var parent: String?
    /// Whether /proc/iomem has its entry.
    package var isListed: Bool
    package var override: String?

    package init(
        _ kind: Kind, _ range: ClosedRange<UInt64>, instance: Int = 0, isBound: Bool = true, parent: String? = nil,
        isListed: Bool = true, override: String? = nil
    ) {
        self.kind = kind
        self.range = AddressRange(start: range.lowerBound, last: range.upperBound) ?? .all
        self.instance = instance
        self.isBound = isBound
        self.parent = parent
        self.isListed = isListed
        self.override = override
    }

    package var name: String {
        kind == .ofdrm && instance == 0 ? kind.deviceKind : "\(kind.deviceKind).\(instance)"
    }

    package func place(in machine: inout Machine) {
        machine.framebuffers.append(self)
        guard isListed, kind != .vga16fb else { return }
        if let residue = kind.residue { machine.lines.append(IomemEntry(range: range, name: residue)) }
        if isBound { machine.lines.append(IomemEntry(range: range, name: kind.entryName)) }
    }
}

/// A console driver.
package struct Console: Part {
    let console: VirtualConsole

    package init(_ number: Int, _ name: String, isBound: Bool) {
        console = VirtualConsole(number: number, name: name, isBound: isBound)
    }

    package func place(in machine: inout Machine) { machine.consoles.append(console) }
}

/// What firmware told the kernel of its screen.
package struct BootScreen: Part {
    let base: UInt64
    let size: UInt32
    let mode: UInt8

    /// - Parameter size: Bytes for EFI (mode 0x70), 64 KiB blocks for VESA (0x23).
    package init(base: UInt64, size: UInt32, mode: UInt8 = 0x70) {
        self.base = base
        self.size = size
        self.mode = mode
    }

    /// The first bytes of the zero page (`struct screen_info`).
    package var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        func put(_ value: UInt64, at offset: Int) {
            for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
        }
        bytes[0x0f] = mode
        put(base & 0xffff_ffff, at: 0x18)
        put(UInt64(size), at: 0x1c)
        put(base >> 32 == 0 ? 0 : 2, at: 0x36)
        put(base >> 32, at: 0x3a)
        return bytes
    }

    package func place(in machine: inout Machine) { machine.bootParameters = bytes }
}

/// Whether vfio-pci can be bound to; registered unless the fixture says otherwise.
package struct VFIODriver: Part {
    let state: Snapshot.VFIODriver

    package init(_ state: Snapshot.VFIODriver) {
        self.state = state
    }

    package func place(in machine: inout Machine) { machine.vfio = state }
}

/// The udev rule, which reserved a function: the mark that udevd keeps with the device. The override is the function's.
package struct UdevRule: Part {
    let address: String

    package init(reserved address: String) {
        self.address = address
    }

    package func place(in machine: inout Machine) { machine.reserved.append(address) }
}

/// A kernel module that is loaded, one of nvidia's. How often it is used is counted: by those that need it, and by users.
package struct KernelModule: Part {
    package let name: String
    /// Who uses it and is no module.
    package var users: Int
    package let parameters: [String: String]

    package init(_ name: String, users: Int = 0, parameters: [String: String] = [:]) {
        self.name = name
        self.users = users
        self.parameters = parameters
    }

    package func isNeeded(by other: KernelModule) -> Bool {
        other.name == "nvidia_drm" ? name == "nvidia_modeset" : name == "nvidia" && other.name != "nvidia"
    }

    package func place(in machine: inout Machine) { machine.modules.append(self) }
}

/// A process with a node open.
package struct Process: Part {
    let holder: Holder
    /// Its control group: `/system.slice/gdm.service`.
    let group: String?
    /// The process that started it.
    let parent: Int32?
    /// The service that it ends with.
    let service: String?

    /// - Parameters:
    ///   - service: The system service that it ends with, and belongs to unless a group says otherwise.
    ///   - group: Its control group.
    ///   - parent: The process that started it.
    package init(
        _ pid: Int32, _ command: String, holds node: String, of service: String? = nil, group: String? = nil,
        parent: Int32? = nil
    ) {
        holder = Holder(pid: pid, command: command, node: node)
        self.service = service
        self.group = group ?? service.map { "/system.slice/\($0)" }
        self.parent = parent
    }

    package func place(in machine: inout Machine) {
        machine.holders.append(holder)
        machine.processes.append(self)
    }
}

/// A card's node, which stays with a driver and without one.
package struct CardNode: Part {
    let path: String
    let folder: String

    /// `/dev/dri/cardN` of the function.
    package init(_ number: Int, of address: String) {
        path = "/dev/dri/card\(number)"
        folder = "/sys/devices/pci0000:00/\(address)/drm/card\(number)"
    }

    package func place(in machine: inout Machine) { machine.nodes.append((path, folder)) }
}

/// /proc/iomem read without CAP_SYS_ADMIN.
package struct MaskedMemoryMap: Part {
    package init() {}

    package func place(in machine: inout Machine) { machine.isMasked = true }
}
