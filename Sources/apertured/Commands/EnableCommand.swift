internal import Aperture
internal import ArgumentParser

struct EnableCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Claim a GPU at every boot: pin the card, enable its unit, and make the initramfs anew.",
        discussion: """
            Shows what a claim would take and lose. Then writes the card's ids and its path to \
            /etc/apertured.conf.d/pin-GPU.conf, so that another card at the address is refused, unless a section of \
            the configuration says already which card is meant; enables apertured@GPU.service; and makes the initramfs \
            anew, where a tool for it has apertured's hook. If a step fails, those before it are undone.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Start the unit as well.")
    var now = false

    @Flag(help: "Leave the initramfs as it is.")
    var noInitramfs = false

    @OptionGroup var machine: RootOption

    var verb: Enable { Enable(address: address, now: now, makesImages: !noInitramfs, tree: machine.tree) }
}

struct DisableCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Leave a GPU to the host at every boot: take back what enable did.",
        discussion: """
            Disables apertured@GPU.service, removes the pin that `apertured enable` wrote unless someone changed it, and \
            makes the initramfs anew. If a step fails, those before it are undone.
            """)

    @Argument(help: ArgumentHelp("The GPU's PCI address, such as 0000:01:00.0.", valueName: "gpu"))
    var address: PCIAddress

    @Flag(help: "Stop the unit first, which gives the GPU back.")
    var now = false

    @Flag(help: "Leave the initramfs as it is.")
    var noInitramfs = false

    @OptionGroup var machine: RootOption

    var verb: Disable { Disable(address: address, now: now, makesImages: !noInitramfs, tree: machine.tree) }
}

struct ReservationsCommand: VerbCommand {
    static let configuration = CommandConfiguration(
        commandName: "reservations",
        abstract: "Print the list of the enabled GPUs that goes into an initramfs; the hooks run this.",
        shouldDisplay: false)

    @OptionGroup var machine: RootOption

    var verb: ListReservations { ListReservations(tree: machine.tree) }
}
