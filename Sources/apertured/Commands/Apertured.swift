internal import ArgumentParser

/// The command line's root.
struct Apertured: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apertured",
        abstract: "Bind a GPU to vfio-pci, free of the firmware's framebuffer, and prove it.",
        discussion: """
            Firmware draws the boot screen into the GPU's memory, and a generic driver (efifb, vesafb, simplefb, \
            simpledrm, efidrm, vesadrm) keeps that part of the GPU's BAR, so that a guest gets a dead card. apertured \
            finds the framebuffers that overlap one GPU's BARs, evicts exactly those, binds the GPU to vfio-pci, and \
            maps every BAR through VFIO as the proof.

            Exit status: 0 done or nothing to do; 1 failed, and everything is as it was; 2 usage; 3 refused, nothing \
            was written; 4 failed, and something could not be undone.
            """,
        version: "0.1.0",
        subcommands: [
            StatusCommand.self, PlanCommand.self, ClaimCommand.self, VerifyCommand.self,
            ReleaseCommand.self, RecoverCommand.self, GuardCommand.self, PostStopCommand.self,
            VFIODriverCommand.self, LogCommand.self,
        ])
}
