/// Everything that a plan is made from, read at one time. A value: nothing here touches the machine.
package struct Snapshot: Sendable {
    /// Whether functions can be bound to vfio-pci.
    package enum VFIODriver: Hashable, Sendable {
        /// `/sys/bus/pci/drivers/vfio-pci` exists.
        case registered
        /// It is not registered, and the running kernel has it as a module.
        case loadable
        /// Neither.
        case missing
    }

    /// A display device that sysfs lists and that could not be read.
    package struct Unreadable: Hashable, Sendable {
        /// The PCI address under which sysfs lists it.
        package var address: PCIAddress
        /// Why it could not be read, without a full stop.
        package var reason: String
        /// Whether one of its files was missing: the device was just appearing or going away.
        package var isPassing = false

        /// A device that is neither appearing nor going away.
        package init(address: PCIAddress, reason: String) {
            self.address = address
            self.reason = reason
        }
    }

    /// Every GPU, the other functions of its slot, and its virtual functions, in the order of their addresses.
    package var functions: [PCIFunction] = []
    /// The display devices that could not be read.
    package var unreadable: [Unreadable] = []
    /// Every platform framebuffer. One that could not be read is among them (``PlatformFramebuffer/unreadable``).
    package var platformFramebuffers: [PlatformFramebuffer] = []
    /// What reading /proc/iomem gave.
    package var memoryMap: MemoryMap = .unreadable("not read")
    /// The framebuffer of the boot parameters; `nil` where they could not be read.
    package var screenInfo: ScreenInfo?
    /// Every framebuffer of `/sys/class/graphics`.
    package var framebuffers: [FramebufferNode] = []
    /// Every console driver of `/sys/class/vtconsole`.
    package var consoles: [VirtualConsole] = []
    /// The running kernel; `nil` when its version could not be read.
    package var kernel: KernelRelease?
    /// Whether vfio-pci is there.
    package var vfioDriver = VFIODriver.missing
    /// The VFIO drivers that the kernel's modules offer.
    package var vfioDrivers = VFIODrivers()
    /// Names under `/sys/bus/pci/drivers`.
    package var pciDrivers: Set<String> = []
    /// What decides how the machine isolates devices.
    package var platform = HostPlatform()
    /// The class of every PCI function, display or not.
    package var classes: [PCIAddress: PCIClass] = [:]
    /// The processes that have nodes of the functions or of framebuffers open.
    package var holders: [Holder] = []
    /// Why there may be more holders, as a sentence without its full stop; `nil` when every process was seen, or none
    /// was looked for.
    package var holdersUnknown: String?
    /// nvidia's kernel modules.
    package var nvidia = NvidiaModules()
    /// What of the host depends on the functions that could be taken with a GPU; no key has an empty list.
    package var hostDependencies: [PCIAddress: [HostDependency]] = [:]

    /// Nothing was read: no functions, and an unreadable memory map.
    package init() {}

    /// The functions whose class is a GPU's (``PCIClass/isGPU``).
    package var gpus: [PCIFunction] { functions.filter(\.pciClass.isGPU) }

    /// The function at the address, or `nil`.
    package func function(at address: PCIAddress) -> PCIFunction? {
        functions.first { $0.address == address }
    }

    /// The virtual functions of a physical function, in the order of their addresses.
    package func virtualFunctions(of address: PCIAddress) -> [PCIFunction] {
        functions.filter { $0.physicalFunction == address }.sorted { $0.address < $1.address }
    }

    /// The functions of the address's slot, in the order of their addresses.
    package func slot(of address: PCIAddress) -> [PCIFunction] {
        functions.filter { $0.address.sharesSlot(with: address) }.sorted { $0.address < $1.address }
    }

    /// The processes that have a node of the function open.
    package func holders(of function: PCIFunction) -> [Holder] { holders(of: [function]) }

    /// The processes that have a node of one of the functions open. Functions of one IOMMU group share its node.
    package func holders(of functions: [PCIFunction]) -> [Holder] {
        holders.filter { holder in functions.contains { $0.nodes.contains(holder.node) } }
    }

    /// The processes that have a `/dev/fbN` of the platform device open.
    package func holders(ofDevice name: String) -> [Holder] {
        let nodes = framebuffers.filter { $0.device == name }.map(\.path)
        return holders.filter { nodes.contains($0.node) }
    }
}

/// What reading /proc/iomem gave.
package enum MemoryMap: Sendable {
    /// Every line, with its addresses.
    case entries(IomemTree)
    /// Every address is zero: the reader lacks CAP_SYS_ADMIN (`r_show()`). That is "cannot see", never "no conflict".
    case masked
    /// It could not be read, or holds no line at all; with the reason.
    case unreadable(String)
}

/// A process with a device node open.
package struct Holder: Hashable, Sendable {
    /// The process, as this program's /proc numbers it.
    package var pid: Int32
    /// `/proc/PID/comm`.
    package var command: String
    /// The node, as the host names it, whatever the process calls it: `/dev/fb0`.
    package var node: String
    /// The systemd unit of its control group, if it has one.
    package var unit: String?
    /// Whether the unit belongs to the machine's own service manager, and not to a user's or a container's.
    package var isSystemUnit: Bool
    /// The id of the user whose own service manager has the unit; `nil` for every other unit.
    package var user: UInt32?
    /// The guest's name, as a QEMU process's command line gives it; `nil` for another process, for a guest without a
    /// name, and when it could not be read. It only tells a person which guest is meant: the process can change it.
    package var guest: String?
    /// For a process of a login session: the system service whose process opened the session, `gdm.service`. For one of a
    /// user's own service manager: those that opened the user's sessions. A session without such a service counts by its
    /// scope's name.
    package var sessionServices: Set<String> = []
    /// Whether the process is a part of the user's desktop (`session.slice`), and so ends with the session that shows it,
    /// whatever other sessions the user has.
    package var endsWithAnySession = false

    /// A process and the node it has open, as /proc shows them.
    package init(
        pid: Int32, command: String, node: String, unit: String? = nil, isSystemUnit: Bool = true, user: UInt32? = nil,
        guest: String? = nil
    ) {
        self.pid = pid
        self.command = command
        self.node = node
        self.unit = unit
        self.isSystemUnit = isSystemUnit
        self.user = user
        self.guest = guest
    }
}

extension Holder: CustomStringConvertible {
    /// The process without the node: `qemu-system-x86 (pid 4242, guest 'win11', vm.service)`.
    package var process: String {
        let facts = ["pid \(pid)", guest.map { "guest '\($0)'" }, unit].compactMap(\.self)
        return "\(command) (\(facts.joined(separator: ", ")))"
    }

    package var description: String { "\(process) holds \(node)" }
}

/// What decides how this machine isolates devices, and what a person must change to switch that on.
package struct HostPlatform: Hashable, Sendable {
    /// The processor family, which decides how an IOMMU is called and enabled.
    package enum Processor: Hashable, Sendable {
        /// The IOMMU is VT-d or AMD-Vi.
        case x86
        /// The IOMMU is an SMMU.
        case arm
        case other
    }

    /// The family; x86 until it is read.
    package var processor = Processor.x86
    /// Whether this is the control domain of Xen (`control_d` in /proc/xen/capabilities): the hypervisor controls the
    /// IOMMU, and Linux shows no groups.
    package var isXenControlDomain = false

    /// An x86 machine without Xen.
    package init() {}
}
