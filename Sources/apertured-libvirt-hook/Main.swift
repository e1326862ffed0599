internal import CLinux
internal import Glibc
internal import KernelFiles
internal import LibvirtHook

/// The hook's entry point: reads libvirt's call and the domain, and exits with 0, or 1 when the domain must not start.
@main
enum Main {
    private static let usage = """
        usage: apertured-libvirt-hook DOMAIN OPERATION SUBOPERATION EXTRA <DOMAIN.xml
        libvirt calls it, from /etc/libvirt/hooks/qemu.d. See apertured-libvirt-hook(8).

        """

    static func main() {
        clinux_reset_inherited()
        // libvirt may be gone when a message is written, and what was begun is to be finished all the same.
        clinux_hold_interruptions()
        guard let call = HookCall(Array(CommandLine.arguments.dropFirst())) else {
            let asks = ["-h", "--help"].contains(CommandLine.arguments.dropFirst().first)
            say(usage, to: asks ? STDOUT_FILENO : STDERR_FILENO)
            exit(asks ? 0 : 2)
        }
        do {
            try run(call)
        } catch {
            say("apertured: \(error)\n", to: STDERR_FILENO)
            exit(1)
        }
    }

    private static func run(_ call: HookCall) throws {
        // Before anything is read: most calls are these.
        if call == .other { return }
        let domain: Domain
        do {
            domain = try DomainParser.parse(try DomainInput.read(STDIN_FILENO))
        } catch {
            throw Complaint("the domain's XML is refused: \(error).")
        }
        // Nor does a domain without a PCI function of the host need root.
        if case .prepare = call, domain.functions.isEmpty { return }
        guard geteuid() == 0 else { throw Complaint("only root can start the units of GPUs.") }
        let hook = Hook(manager: Systemctl(), tree: FileTree())
        switch call {
        case .prepare: try hook.prepare(domain)
        case .release: try hook.release(domain)
        case .other: break
        }
    }

    private static func say(_ text: String, to descriptor: CInt) {
        let bytes = Array(text.utf8)
        // A failure cannot be reported anywhere.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// A sentence for the standard error.
private struct Complaint: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
