internal import Aperture
internal import Glibc
package import KernelFiles

/// The names that a report must not have: the host's, its users', its guests', and the serial numbers of its parts.
package struct Secrets {
    /// The names, each once.
    package private(set) var list: [Redactor.Secret] = []
    /// How many names stay because they are words of the kernel or of this program too, as a host named `pve` is.
    package private(set) var plain = 0
    private let words: Set<String>

    /// Looks for them below a root. What cannot be read gives no names: a pattern may still find them.
    /// - Parameter tree: Without a log: these files are not for the report.
    package init(in tree: FileTree) {
        let release = Self.text("/proc/sys/kernel/osrelease", tree) ?? ""
        let parts = release.split { !$0.isLetter && !$0.isNumber }.map { $0.lowercased() }
        words = Self.common.union(parts).union(Self.names(in: KernelPath.pciDrivers, tree))
        addHost(tree)
        addUsers(tree)
        addGuests(tree)
        addSerials(tree)
    }

    private mutating func add(_ kind: Redactor.Kind, _ text: some StringProtocol) {
        guard text.utf8.count > 1 else { return }
        if words.contains(text.lowercased()) {
            plain += 1
            return
        }
        let secret = Redactor.Secret(kind, String(text))
        if !list.contains(where: { $0.text == secret.text }) { list.append(secret) }
    }

    private mutating func addHost(_ tree: FileTree) {
        for file in ["/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/etc/hostname"] {
            guard let name = Self.text(file, tree), !Self.noHosts.contains(name) else { continue }
            add(.host, name)
            guard let dot = name.firstIndex(of: ".") else { continue }
            add(.host, name[..<dot])
            add(.host, name[name.index(after: dot)...])
        }
    }

    private mutating func addUsers(_ tree: FileTree) {
        for line in Self.text("/etc/passwd", tree)?.split(separator: "\n") ?? [] {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 6, let id = UInt32(fields[2]), Self.isPerson(id) else { continue }
            add(.user, fields[0])
            let person = fields[4].prefix { $0 != "," }
            add(.user, person)
            for word in person.split(separator: " ") where word.utf8.count > 2 { add(.user, word) }
            if let home = fields[5].split(separator: "/").last { add(.user, home) }
        }
        // A user of a directory service is not in the file. Nor is /home listed: it may be a share that does not answer.
        guard tree.isMachine else { return }
        for variable in ["SUDO_USER", "LOGNAME", "USER"] {
            guard let value = unsafe getenv(variable) else { continue }
            let name = unsafe String(cString: value)
            if name != "root" { add(.user, name) }
        }
    }

    /// Whether the id is a person's, and not a service's (login.defs(5); systemd's users begin at 60001).
    private static func isPerson(_ id: UInt32) -> Bool {
        (1000..<60_000).contains(id) || (60_001...60_513).contains(id) || id > 65_535
    }

    /// The guests that libvirt knows, by the names of their files.
    private mutating func addGuests(_ tree: FileTree) {
        for folder in ["/etc/libvirt/qemu", "/run/libvirt/qemu"] {
            for name in Self.names(in: folder, tree).sorted() where name.hasSuffix(".xml") {
                add(.guest, name.dropLast(4))
            }
        }
    }

    /// The firmware's numbers and the NVMe disks': their kernel drivers keep them in memory.
    private mutating func addSerials(_ tree: FileTree) {
        var files = ["board", "chassis", "product"].map { "/sys/class/dmi/id/\($0)_serial" }
        files += ["board", "chassis"].map { "/sys/class/dmi/id/\($0)_asset_tag" }
        files += Self.names(in: "/sys/class/nvme", tree).sorted().map { "/sys/class/nvme/\($0)/serial" }
        for file in files {
            guard let number = Self.text(file, tree), number.utf8.count >= 5, number.contains(where: \.isNumber) else {
                continue
            }
            add(.serial, number)
        }
    }

    private static func text(_ path: String, _ tree: FileTree) -> String? {
        // Without the file there is nothing to hide.
        guard let text = try? tree.text(path), !text.isEmpty else { return nil }
        return text
    }

    private static func names(in folder: String, _ tree: FileTree) -> [String] {
        // The same.
        (try? tree.listIfPresent(folder)) ?? []
    }

    private static let noHosts: Set<String> = ["localhost", "localhost.localdomain", "(none)"]

    /// Words of the kernel's files, of the documents and of messages. A name that is one of them says nothing.
    private static let common = Set(
        """
        0000 accel access action address after alias amd amdgpu another aperture apertured apertures ata audio bar before bind block \
        boot bootfb bootvga bridge bus card claim claimed class code conflict conflicts console consoles daemon debian \
        dead dev device devices disk display dm dri driver drivers drm efi efidrm efifb end etc ext4 fb fd fedora framebuffer free \
        from function functions gpu gpus graphics group groups guest has hid host id in input intel iommu iommufd is it \
        its journal json kernel kvm left lib libvirt linux lib64 local localdomain machine mapper media memory message \
        mnt module modules mount name net network nixos nobody no node none not null nvidia nvme of on opensuse or other \
        owner path pc pci plan platform port power proc process proxmox pve qemu rack read reason refused refusals release \
        remedy rescan resource root rung run scope screen serial server service simpledrm simplefb size sound start state \
        status steps step sys system systemd taken target the this to ubuntu unit unknown unbind usb user users usr value \
        vendor verdict version vesafb vfio vga virtual virtio warning warnings was with witnesses write xen you
        """.split { $0.isWhitespace }.map(String.init))
}
