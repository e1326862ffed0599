internal import Aperture
package import KernelFiles

/// A tool that makes initramfs images, and for which apertured has a hook.
package enum ImageTool: String, CaseIterable, Hashable, Sendable {
    /// Of Debian and what is made of it.
    case initramfsTools = "initramfs-tools"
    /// Of Fedora, openSUSE and others.
    case dracut
    /// Of Arch.
    case mkinitcpio

    /// Where the hook is installed. Each tool has one folder for packages, whatever the prefix.
    package var hook: String {
        switch self {
        case .initramfsTools: "/usr/share/initramfs-tools/hooks/apertured"
        case .dracut: "/usr/lib/dracut/modules.d/89apertured/module-setup.sh"
        case .mkinitcpio: "/usr/lib/initcpio/install/apertured"
        }
    }

    /// The programs, each with the arguments that make the images of all kernels anew. The first that exists is run:
    /// where a package of dracut brings an update-initramfs as well, it knows where the images are.
    package var commands: [[String]] {
        let update = ["update-initramfs", "-u", "-k", "all"]
        return switch self {
        case .initramfsTools: [update]
        case .dracut: [update, ["dracut", "--force", "--regenerate-all"]]
        case .mkinitcpio: [["mkinitcpio", "-P"]]
        }
    }

    /// A file that only the tool itself installs.
    private var witness: String {
        switch self {
        case .initramfsTools: "/usr/share/initramfs-tools/hook-functions"
        case .dracut: "/usr/lib/dracut/dracut-functions.sh"
        case .mkinitcpio: "/usr/lib/initcpio/functions"
        }
    }

    private static let folders = ["/usr/sbin", "/usr/bin"]

    /// Whether the tool is installed, and uses apertured's hook.
    package func hasHook(in tree: FileTree) -> Bool {
        tree.exists(hook) && tree.exists(witness) && (self != .mkinitcpio || Self.isNamedByMkinitcpio(in: tree))
    }

    /// What a person can do so that a tool uses the hook; `nil` when nothing is missing.
    package static func hint(in tree: FileTree) -> String? {
        let tool = Self.mkinitcpio
        guard tree.exists(tool.hook), tree.exists(tool.witness), !tool.hasHook(in: tree) else { return nil }
        return
            "mkinitcpio does not use the hook yet: write HOOKS+=(apertured) to /etc/mkinitcpio.conf.d/apertured.conf, "
            + "and run mkinitcpio -P"
    }

    /// mkinitcpio uses the hooks that its configuration names, and no other. A file that cannot be read names none.
    private static func isNamedByMkinitcpio(in tree: FileTree) -> Bool {
        let folder = "/etc/mkinitcpio.conf.d"
        // Without the folder there are no drop-ins.
        let dropIns = (try? tree.listIfPresent(folder)) ?? []
        let files = ["/etc/mkinitcpio.conf"] + dropIns.filter { $0.hasSuffix(".conf") }.map { "\(folder)/\($0)" }
        return files.contains { file in
            // What cannot be read names no hook.
            let bytes = (try? tree.regularBytes(file)) ?? []
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
                line.containsText("HOOKS") && line.containsText("apertured")
                    && !line.drop(while: \.isWhitespace).hasPrefix("#")
            }
        }
    }

    /// What to run; `nil` when the tool's program is missing.
    package func command(in tree: FileTree) -> [String]? {
        for words in commands {
            for folder in Self.folders where tree.exists("\(folder)/\(words[0])") {
                return ["\(folder)/\(words[0])"] + words.dropFirst()
            }
        }
        return nil
    }

    /// The tool that makes this machine's images; `nil` without one that has a hook.
    package static func installed(in tree: FileTree) -> Self? {
        allCases.first { $0.hasHook(in: tree) && $0.command(in: tree) != nil }
    }
}
