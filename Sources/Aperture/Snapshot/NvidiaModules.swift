/// nvidia's kernel modules, as `/sys/module` shows them.
///
/// They keep a card busy without any process. The driver's `remove()` waits until the card's usage count is zero
/// (`nv_pci_remove_helper()` in nv-pci.c: "Attempting to remove device … with non-zero usage count"). User space cannot
/// read that count. It grows with
/// - every open of `/dev/nvidiaN`;
/// - every card that a client attaches through `/dev/nvidiactl` (NV_ESC_ATTACH_GPUS_TO_FD in nv.c);
/// - every card that nvidia_uvm registers for a client (`nvUvmInterfaceRegisterGpu()`);
/// - every card that nvidia_modeset opens (`nvkms_open_gpu()`), for its clients and for nvidia_drm. With `modeset=Y`,
///   the default since 595, nvidia_drm opens every card that it finds (`nv_drm_dev_load()`).
///
/// Up to 575 nvidia_drm releases a card only when it is unloaded. Since 580 the unbind takes the card from nvidia_drm
/// first (`nvidia_modeset_remove()`), and still waits for other clients. Since 595 the unbind removes the card from the
/// driver's list before it waits: a client that closes the card afterwards no longer finds it, and the wait never ends
/// (issues 1119 and 1374 of NVIDIA's open-gpu-kernel-modules). So a card that one of the modules may hold is not
/// unbound.
package struct NvidiaModules: Hashable, Sendable {
    /// One loaded module.
    package struct Module: Hashable, Sendable {
        /// The name under `/sys/module`: `nvidia_drm`.
        package var name: String
        /// `refcnt`: how many modules need it, plus its open files; `nil` where the kernel does not tell.
        package var references: Int?
        /// The modules that need it (`holders/`).
        package var holders: [String]

        /// A module as `/sys/module` shows it.
        package init(name: String, references: Int?, holders: [String] = []) {
            self.name = name
            self.references = references
            self.holders = holders
        }
    }

    /// The module whose driver the cards are bound to.
    package static let core = "nvidia"
    /// Every module that a claim may unload and a release load again, in the order of unloading: each before those it
    /// needs.
    package static let names = [
        "nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia_peermem", "nvidia_vgpu_vfio", core,
    ]
    /// The modules that can keep a card in use without a process.
    static let keepers: Set<String> = ["nvidia_drm", "nvidia_modeset", "nvidia_uvm"]

    /// The node through which a client can attach any card.
    package static let controlNode = "/dev/nvidiactl"
    /// nvidia_modeset's node.
    package static let modesetNode = "/dev/nvidia-modeset"
    /// nvidia_uvm's node.
    package static let memoryNode = "/dev/nvidia-uvm"
    /// The nodes that belong to no single card, and through which any card can be in use.
    package static let nodes = [controlNode, modesetNode, memoryNode]

    /// The loaded ones of ``names``, in that order.
    package var modules: [Module] = []
    /// Every function that is bound to the driver.
    package var devices: [PCIAddress] = []
    /// nvidia_drm's parameter `modeset` as the kernel prints it, `Y` or `N`; `nil` where the kernel does not tell.
    package var modeset: String?
    /// nvidia_drm's parameter `fbdev`, in the same form.
    package var fbdev: String?
    /// Why this process may not unload modules, as a sentence without its full stop; `nil` when nothing forbids it.
    package var unloadingForbidden: String?

    /// No module is loaded, and no function is bound.
    package init() {}

    /// Whether ``core`` is loaded.
    package var isLoaded: Bool { module(Self.core) != nil }

    /// The loaded module of this name, or `nil`.
    package func module(_ name: String) -> Module? { modules.first { $0.name == name } }

    /// How many users a module has that are not modules, usually open files; `nil` where the kernel does not tell.
    func users(of module: Module) -> Int? {
        guard let references = module.references else { return nil }
        let dependents = module.holders.isEmpty ? dependents(of: module.name) : module.holders.count
        return max(0, references - dependents)
    }

    /// How many of the loaded modules need this one, for a kernel whose `holders/` names none.
    private func dependents(of name: String) -> Int {
        let needs = ["nvidia_drm": "nvidia_modeset"]
        return modules.count { $0.name != Self.core && needs[$0.name, default: Self.core] == name }
    }

    /// The modules that need this one and are not among ``names``.
    func strangers(to module: Module) -> [String] { module.holders.filter { !Self.names.contains($0) } }
}
