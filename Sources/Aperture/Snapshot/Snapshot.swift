/// Everything a plan is made from, read at one time. A value: nothing here touches the machine.
package struct Snapshot: Sendable {
    /// Whether vfio-pci can be bound to.
    package enum VFIODriver: Hashable, Sendable {
        /// `/sys/bus/pci/drivers/vfio-pci` exists.
        case registered
        /// The running kernel's modules hold it.
        case loadable
        case missing
    }

    /// A display device that sysfs lists but could not be read, and why.
    package struct Unreadable: Hashable, Sendable {
        package var address: PCIAddress
        package var reason: String
        /// Whether one of its files was not there: the device was appearing or going.
        package var isPassing = false

        package init(address: PCIAddress, reason: String) {
            self.address = address
            self.reason = reason
        }
    }

    /// Every GPU, the other functions of their slots, and their virtual functions, by address.
    package var functions: [PCIFunction] = []
    package var unreadable: [Unreadable] = []
    /// Those that could not be read are among them, and say so.
    package var platformFramebuffers: [PlatformFramebuffer] = []
    package var memoryMap: MemoryMap = .unreadable("not read")
    package var screenInfo: ScreenInfo?
    package var framebuffers: [FramebufferNode] = []
    package var consoles: [VirtualConsole] = []
    package var kernel: KernelRelease?
    package var vfioDriver = VFIODriver.missing
    /// VFIO's drivers beside vfio-pci.
    package var vfioDrivers = VFIODrivers()
    /// Names under `/sys/bus/pci/drivers`.
    package var pciDrivers: Set<String> = []
    /// What is known of the machine itself.
    package var platform = HostPlatform()
    /// The class of every PCI function, display or not.
    package var classes: [PCIAddress: PCIClass] = [:]
    /// Who has nodes of the functions or of framebuffers open.
    package var holders: [Holder] = []
    /// Why others may have some open as well, a sentence without its full stop; `nil` when everybody was seen, or nobody
    /// was looked for.
    package var holdersUnknown: String?
    /// nvidia's kernel modules.
    package var nvidia = NvidiaModules()
    /// What the host has below the functions that could be taken with a GPU; those with nothing below are not in it.
    package var hostDependencies: [PCIAddress: [HostDependency]] = [:]

    package init() {}

    package var gpus: [PCIFunction] { functions.filter(\.pciClass.isGPU) }

    package func function(at address: PCIAddress) -> PCIFunction? {
        functions.first { $0.address == address }
    }

    /// The virtual functions of a physical one, in order.
    package func virtualFunctions(of address: PCIAddress) -> [PCIFunction] {
        functions.filter { $0.physicalFunction == address }.sorted { $0.address < $1.address }
    }

    /// The function and its siblings in the slot, in order.
    package func slot(of address: PCIAddress) -> [PCIFunction] {
        functions.filter { $0.address.sharesSlot(with: address) }.sorted { $0.address < $1.address }
    }

    /// Who has a node of the function open.
    package func holders(of function: PCIFunction) -> [Holder] {
        holders.filter { function.nodes.contains($0.node) }
    }

    /// Who has a node of the platform device's framebuffers open.
    package func holders(ofDevice name: String) -> [Holder] {
        let nodes = framebuffers.filter { $0.device == name }.map(\.path)
        return holders.filter { nodes.contains($0.node) }
    }
}
