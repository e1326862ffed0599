internal import Aperture
internal import ArgumentParser
internal import Glibc

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Show the journal of one GPU: the lines of apertured, the service manager and the kernel.",
        discussion: "Runs journalctl and passes it the options after --, such as -x, -f or -b.")

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Options for journalctl.", valueName: "option"))
    var options: [String] = []

    /// What journalctl is to match: each `+` begins an alternative set of fields that an entry may match.
    static func query(_ address: PCIAddress) -> [String] {
        [
            "APERTURED_GPU=\(address)", "+", "_KERNEL_DEVICE=+pci:\(address)", "+", "UNIT=apertured@\(address).service",
            // The last output of a crashed guard has no APERTURED_GPU=.
            "+", "_SYSTEMD_UNIT=apertured@\(address).service",
            // What the guard of several cards itself says of a card has the card's address.
            "+", "UNIT=apertured.service",
        ]
    }

    func run() throws {
        var arguments: [UnsafeMutablePointer<CChar>?] =
            unsafe (["journalctl"] + options + Self.query(address)).map { unsafe strdup($0) } + [nil]
        _ = unsafe execvp("journalctl", &arguments)
        Terminal.fail("cannot run journalctl: \(unsafe String(cString: strerror(errno)))")
        throw ExitStatus.failed
    }
}
