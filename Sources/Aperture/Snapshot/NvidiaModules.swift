/// nvidia's kernel modules, as `/sys/module` shows them.
///
/// They keep a card busy without any process. What the driver's `remove()` waits for is the card's own count of users
/// (`nv_pci_remove_helper()` in nv-pci.c: "Attempting to remove device … with non-zero usage count"), which nobody can
/// read, and which grows with every open of `/dev/nvidiaN`, with every card that a client attached through
/// `/dev/nvidiactl` (NV_ESC_ATTACH_GPUS_TO_FD in nv.c), that nvidia_uvm registered for a client
/// (`nvUvmInterfaceRegisterGpu()`), and that nvidia_modeset opened (`nvkms_open_gpu()`), for its clients and for nvidia_drm,
/// which with `modeset=Y` opens every card as it finds it (`nv_drm_dev_load()`). `modeset` is Y by default since 595.
///
/// Up to 575 nvidia_drm lets go when it is unloaded, and not before; since 580 the unbind takes the card from it first
/// (`nvidia_modeset_remove()`), and still waits for other clients. Since 595 the unbind takes the card off the driver's list
/// before it waits, so that whoever closes it afterwards no longer finds it, and the wait never ends (issues 1119 and 1374
/// of NVIDIA's open-gpu-kernel-modules). So nothing is unbound that one of them may hold.
package struct NvidiaModules: Hashable, Sendable {
    package struct Module: Hashable, Sendable {
        package var name: String
        /// `refcnt`: the modules that need it and the files of it that are open; `nil` where it is not told.
        package var references: Int?
        /// The modules that need it, by `holders/`.
        package var holders: [String]

        package init(name: String, references: Int?, holders: [String] = []) {
            self.name = name
            self.references = references
            self.holders = holders
        }
    }

    /// The one whose driver has the cards.
    package static let core = "nvidia"
    /// Every one that this program may unload and load again, in the order of unloading: each before what it needs.
    package static let names = [
        "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia_peermem", "nvidia_vgpu_vfio", core,
    ]
    /// Those that can have a card in use by themselves.
    static let keepers: Set<String> = ["nvidia_drm", "nvidia_modeset", "nvidia_uvm"]

    package static let controlNode = "/dev/nvidiactl"
    package static let modesetNode = "/dev/nvidia-modeset"
    package static let memoryNode = "/dev/nvidia-uvm"
    /// The nodes that are no card's, through which any card can be in use.
    package static let nodes = [controlNode, modesetNode, memoryNode]

    /// Those of ``names`` that are loaded, in that order.
    package var modules: [Module] = []
    /// Every function that is bound to the driver.
    package var devices: [PCIAddress] = []
    /// nvidia_drm's parameters as the kernel prints them, `Y` or `N`; `nil` where they are not told.
    package var modeset: String?
    package var fbdev: String?
    /// Why this process may not unload modules, a sentence without its full stop; `nil` when nothing forbids it.
    package var unloadingForbidden: String?

    package init() {}

    package var isLoaded: Bool { module(Self.core) != nil }

    package func module(_ name: String) -> Module? { modules.first { $0.name == name } }

    /// How many users a module has that are no modules: open files, as a rule; `nil` where that is not told.
    func users(of module: Module) -> Int? {
        guard let references = module.references else { return nil }
        let dependents = module.holders.isEmpty ? dependents(of: module.name) : module.holders.count
        return max(0, references - dependents)
    }

    /// How many of the loaded modules need one; for where `holders/` does not tell.
    private func dependents(of name: String) -> Int {
        let needs = ["nvidia_drm": "nvidia_modeset"]
        return modules.count { $0.name != Self.core && needs[$0.name, default: Self.core] == name }
    }

    /// The modules that need one and that this program does not know.
    func strangers(to module: Module) -> [String] { module.holders.filter { !Self.names.contains($0) } }
}
