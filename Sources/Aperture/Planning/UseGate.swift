/// Refuses to unbind a function while a process has its nodes open, or while that is not known.
struct UseGate {
    let snapshot: Snapshot
    let options: ClaimOptions

    func refusals(unbinding function: PCIFunction) -> [Refusal] {
        guard let driver = function.driver else { return [] }
        // nvidia's remove() waits in the kernel, uninterruptibly, for the last close.
        let waits = driver == NvidiaModules.core
        guard waits || !options.force else { return [] }
        let holders = snapshot.holders(of: function)
        if !holders.isEmpty {
            let ending = HolderRemedy.ending(holders)
            return [
                Refusal(
                    .inUse,
                    "\(function.address) (\(driver)) is in use: "
                        + "\(holders.map(\.description).joined(separator: ", ")).",
                    remedy: waits
                        ? "\(ending): nvidia's unbind would block in the kernel." : "\(ending). Or give --force.")
            ]
        }
        guard let why = snapshot.holdersUnknown, waits || !function.nodes.isEmpty else { return [] }
        return [.holdersUnknown("\(function.address) (\(driver))", why: why, canForce: !waits)]
    }

    /// For a framebuffer on a kernel that can crash when it is unbound while its node is open.
    func refusal(unbinding framebuffer: PlatformFramebuffer) -> Refusal? {
        guard !options.force, let why = snapshot.holdersUnknown else { return nil }
        guard snapshot.framebuffers.contains(where: { $0.device == framebuffer.name }) else { return nil }
        return .holdersUnknown(framebuffer.name, why: why, canForce: true)
    }
}

extension Refusal {
    /// - Parameters:
    ///   - what: What a process may have open.
    ///   - why: Why that is not known, as a sentence without its full stop.
    ///   - canForce: Whether `--force` would go on.
    static func holdersUnknown(_ what: String, why: String, canForce: Bool) -> Refusal {
        Refusal(
            .holdersUnknown, "It is not known whether a process has \(what) open: \(why).",
            remedy:
                "Run it as root on the host, in the host's PID namespace (for a container: hostPID: true, --pid=host)"
                + (canForce ? ", or give --force." : "."))
    }
}
