/// What libvirt asks of a hook: `HOOK OBJECT OPERATION SUBOPERATION EXTRA` (libvirt's "Hooks for specific system
/// management").
package enum HookCall: Hashable, Sendable {
    /// `prepare begin`: before libvirt prepares the host's devices. A failure stops the start.
    case prepare(domain: String)
    /// `release end`: after libvirt gave the devices back, also after a start that failed. Its failure changes nothing.
    case release(domain: String)
    /// Any other operation, which is none of this hook's business.
    case other

    /// The call of these arguments, which are without the program's name; `nil` when they are not libvirt's.
    package init?(_ arguments: [String]) {
        guard arguments.count >= 3 else { return nil }
        switch (arguments[1], arguments[2]) {
        case ("prepare", "begin"): self = .prepare(domain: arguments[0])
        case ("release", "end"): self = .release(domain: arguments[0])
        default: self = .other
        }
    }
}
