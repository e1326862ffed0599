internal import Aperture

/// The README of a report.
struct Guide {
    let version: String
    let gpus: [PCIAddress]
    let documents: [String]
    let kernel: String?
    let gaps: [String]
    let failures: [String]
    let plainNames: Int

    var text: String {
        let first = gpus.first.map { "\($0)" } ?? "GPU"
        var text = """
            A report of apertured \(version) on Linux \(kernel ?? "of an unknown version")

            WHAT IS HERE

            dev, etc, lib, proc, run, sys, usr
                The files that `apertured plan` and `apertured status` read, as they were on the machine, each cut to
                the part that they use. In the folder above this file,

                    apertured plan --json --root apertured-report \(first)

                makes the plan that was made on the machine. Not all of these folders are in every report.

            """
        for path in documents.sorted() {
            let what =
                path.hasPrefix("plan/")
                ? "what `apertured plan --json` said on the machine"
                : path.hasPrefix("journal/")
                    ? "the card's journal of the last boot, up to 2000 lines" : "the same of `apertured status --json`"
            text += "\(path)\n    \(what)\n"
        }
        text += """

            WHAT WAS REPLACED

            Each of these is replaced by the same word wherever it stands: the names of the host, of its users and of its
            guests; the names of home folders and of disks; serial numbers; UUIDs and other long identifiers; MAC
            addresses; the addresses of PCI functions that have nothing to do with the GPUs (other-1, ...).
            Names that people give to units, volumes, mount points and network interfaces stay, and so do IP addresses:
            look through the files before you make the report public.

            """
        if plainNames > 0 {
            text += """
                \(plainNames) such names were left: they are also words of the kernel or of this program, as `debian` is.

                """
        }
        text += """

            WHAT WAS LEFT OUT

            /proc/iomem
                all lines but those that touch a BAR of the GPUs and of the functions beside them, and those of
                framebuffers
            processes
                all but those that have a GPU or a framebuffer open; of these there is the program's name, the unit, and
                the node that it has open; no command line
            device nodes
                a framebuffer's node is a plain file, with the answer that the node gave (struct fb_fix_screeninfo)
            /sys/kernel/boot_params/data
                all but the first 64 bytes, which describe the screen
            udev's database, modules.alias, modules.dep, tables of mounts, swap and control groups
                all but the lines and the fields that are used
            apertured.conf
                comments
            other files
                A file that is empty here was not read: only its name counted.

            WHAT COULD NOT BE READ

            A file that could not be read is a folder here, and a folder that could not be listed is a link to itself: so
            it cannot be read here either.


            """
        let lines = gaps + failures
        text += lines.isEmpty ? "Everything could be read.\n" : lines.map { "- \($0)\n" }.joined()
        return text
    }
}
