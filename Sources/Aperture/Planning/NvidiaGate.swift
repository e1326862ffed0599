/// How a claim frees cards from nvidia's modules. ``NvidiaModules`` tells how the modules keep a card busy, and why it
/// must not be unbound then. They are unloaded where the options allow it and no other card needs them; otherwise the
/// claim is refused, with the commands that free the card.
///
/// nvidia itself is unloaded as well: while anyone uses one of the cards, the kernel refuses the unload at once, where
/// an unbind would wait.
struct NvidiaGate {
    let snapshot: Snapshot
    let options: ClaimOptions
    /// The functions of the claim that nvidia drives.
    private let cards: [PCIFunction]
    /// Whether services are stopped first that have the cards open. What is counted now may be theirs, and is judged when
    /// they have stopped.
    private let isStopping: Bool

    private(set) var steps: [PlanStep] = []
    private(set) var refusals: [Refusal] = []

    private var nvidia: NvidiaModules { snapshot.nvidia }

    /// - Parameters:
    ///   - functions: The functions that the claim is to unbind.
    ///   - snapshot: Without the holders that are stopped first.
    ///   - isStopping: Whether services are stopped first that have the cards open.
    init(_ functions: [PCIFunction], snapshot: Snapshot, options: ClaimOptions, isStopping: Bool) {
        self.isStopping = isStopping
        cards = functions.filter { $0.driver == NvidiaModules.core }
        self.snapshot = snapshot
        self.options = options
        guard !cards.isEmpty, isKept else { return }
        if !options.unloadsNative {
            refusals = [kept(remedy: remedy)]
        } else if let obstacle {
            refusals = [obstacle]
        } else {
            steps = loaded.map(unload)
        }
    }

    /// Whether this gate decides about the function: it unloads its driver, or refuses.
    func decides(on function: PCIFunction) -> Bool {
        cards.contains(function) && !(steps.isEmpty && refusals.isEmpty)
    }

    // MARK: - What there is

    /// Whether anything may keep the cards busy. An unknown count may not be zero. Whatever is counted, an unknown
    /// module or an unseen process, the unbind would wait for it.
    private var isKept: Bool {
        let count = isStopping ? nil : nvidia.module(NvidiaModules.core)
        let isCounted = count.map { $0.references != 0 } ?? !keepers.isEmpty
        return isCounted || !users.isEmpty
    }

    private var keepers: [NvidiaModules.Module] {
        nvidia.modules.filter { NvidiaModules.keepers.contains($0.name) }
    }

    private var loaded: [String] { nvidia.modules.map(\.name) }

    /// The holders of the nodes through which any card can be in use.
    private var users: [Holder] { snapshot.holders.filter { NvidiaModules.nodes.contains($0.node) } }

    private var holders: [Holder] { snapshot.holders(of: cards) + users }

    /// The cards that nvidia drives and that the claim does not take.
    private var others: [PCIAddress] {
        nvidia.devices.filter { address in !cards.contains { $0.address == address } }
    }

    // MARK: - Refusals

    private var cardNames: String { cards.map(\.address.description).joined(separator: ", ") }

    private func kept(remedy: String) -> Refusal {
        let modules = keepers.map { $0.name + (isDisplay($0) ? " (modeset=Y)" : "") }.joined(separator: ", ")
        let who = holders.map(\.description).joined(separator: ", ")
        let isUnexplained = modules.isEmpty && who.isEmpty
        let what = [
            isUnexplained
                ? "nvidia is in use (\(KernelPath.module(NvidiaModules.core))/refcnt) by an unknown user" : nil,
            modules.isEmpty ? nil : "these kernel modules can keep it busy without any process: \(modules)",
            who.isEmpty ? nil : "it may be in use: \(who)",
        ].compactMap(\.self).joined(separator: ", and ")
        return Refusal(
            .inUse, "nvidia drives \(cardNames), and its unbind would block in the kernel: \(what).", remedy: remedy)
    }

    private func isDisplay(_ module: NvidiaModules.Module) -> Bool {
        module.name == "nvidia_drm" && nvidia.modeset == "Y"
    }

    private var remedy: String {
        let before = HolderRemedy.commands(for: holders)
        guard others.isEmpty else {
            // modprobe -r also unloads a module that no other one needs, even when another card is bound to its driver.
            let commands = before + (keepers.isEmpty ? [] : ["rmmod \(keepers.map(\.name).joined(separator: " "))"])
            return "In this order: \(commands.joined(separator: "; ")). nvidia itself must stay for "
                + "\(others.map(\.description).joined(separator: ", ")): do not use modprobe -r, which unloads it too."
        }
        let commands = before + ["modprobe -r \(loaded.joined(separator: " "))"]
        return "In this order: \(commands.joined(separator: "; ")). With --unload (Unload=yes) the claim unloads the "
            + "modules itself."
    }

    /// Why the modules cannot be unloaded.
    private var obstacle: Refusal? {
        if !others.isEmpty || !holders.isEmpty { return kept(remedy: remedy) }
        if let why = snapshot.holdersUnknown {
            return .holdersUnknown("\(cardNames) (nvidia)", why: why, canForce: false)
        }
        if let why = nvidia.unloadingForbidden {
            return cannotUnload(
                why,
                remedy:
                    "Run `apertured claim --unload` by hand. The unit's sandbox allows it with a drop-in (systemctl "
                    + "edit apertured@.service) of [Service] ProtectKernelModules=no, CapabilityBoundingSet=CAP_SYS_MODULE "
                    + "and SystemCallFilter=@module.")
        }
        for module in nvidia.modules {
            let strangers = nvidia.strangers(to: module)
            if let stranger = strangers.first {
                return cannotUnload(
                    "\(stranger) needs \(module.name)", remedy: "Unload it first: modprobe -r \(stranger).")
            }
            if !isStopping, let users = nvidia.users(of: module), users > 0 {
                return cannotUnload(
                    "\(module.name) is in use (\(KernelPath.module(module.name))/refcnt), by a user that /proc does "
                        + "not show",
                    remedy:
                        "Find the user: a console on a framebuffer of nvidia_drm, a guest's virtual GPU, a container.")
            }
        }
        return nil
    }

    private func cannotUnload(_ why: String, remedy: String) -> Refusal {
        Refusal(
            .inUse, "nvidia's kernel modules keep \(cardNames) busy, and they cannot be unloaded: \(why).",
            remedy: remedy)
    }

    // MARK: - Steps

    private func unload(_ module: String) -> PlanStep {
        PlanStep(
            action: .unloadModule, rung: .unload, target: module, effect: .unload(module: module),
            reason: "it can keep \(cardNames) busy, and an unbind would wait for it",
            expectation: .gone(KernelPath.module(module)))
    }
}
