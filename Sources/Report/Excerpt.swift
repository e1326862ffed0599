internal import Aperture
internal import KernelFiles

/// The part of a file that this program uses, redacted.
///
/// A file that people, drivers or other programs fill is cut to the lines that a reader here looks at; see the reader of
/// each. Any other file is an attribute of sysfs, and is kept whole.
struct Excerpt {
    let redactor: Redactor
    /// The ranges that lines of /proc/iomem are kept for: the BARs of the functions that were read.
    let ranges: [AddressRange]
    /// The names of platform framebuffers, which lines of /proc/iomem may have.
    let framebuffers: Set<String>

    /// Why a file's contents have no such part: they have another form than the kernel gives them.
    struct Malformed: Error {
        let reason: String
    }

    /// The part of a file.
    /// - Parameter path: The path as the reader asked for it.
    func part(of bytes: [UInt8], in path: String) throws(Malformed) -> [UInt8] {
        do {
            if let text = try text(of: bytes, in: path) { return redactor.bytes(Array(text.utf8)) }
        } catch {
            throw Malformed(reason: "\(error)")
        }
        // These are numbers in bytes. Behind the screen's 64 bytes the zero page has the monitor's serial number.
        if path == KernelPath.bootParameters { return Array(bytes.prefix(0x40)) }
        if path.hasSuffix("/config") || path.hasPrefix("/dev/") { return bytes }
        return redactor.bytes(bytes)
    }

    private func text(of bytes: [UInt8], in path: String) throws -> String? {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        switch path {
        case KernelPath.iomem: return memoryMap(try Iomem.parse(bytes))
        case "/proc/swaps":
            let rows = MountTable.swapPartitions(bytes).map { "\(Self.escaped($0)) partition 0 0 0\n" }
            return "Filename Type Size Used Priority\n" + rows.joined()
        case "/proc/devices": return lines(bytes) { $0.hasSuffix(" nvidia-uvm") }
        case "/proc/self/status": return lines(bytes) { $0.hasPrefix("CapEff:") }
        default: break
        }
        if path.hasPrefix("/proc/") {
            switch name {
            case "mountinfo": return mounts(try MountTable.parse(bytes))
            case "cgroup": return groups(bytes)
            case "status": return lines(bytes) { $0.hasPrefix("PPid:") }
            case "information": return lines(bytes) { $0.hasPrefix("Device Minor:") }
            default: return nil
            }
        }
        if path.hasPrefix("/run/udev/data/") { return properties(bytes) }
        if path.hasPrefix("/lib/modules/") {
            switch name {
            case "modules.dep":
                return lines(bytes) { $0.containsText("/vfio-pci.ko") || $0.containsText("/vfio_pci.ko") }
            case "modules.alias": return lines(bytes) { $0.hasPrefix("alias vfio_pci:") }
            case "modules.builtin.modinfo":
                let entries = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
                return entries.filter { $0.containsText(".alias=vfio_pci:") }.map { "\($0)\0" }.joined()
            default: return nil
            }
        }
        if path.hasSuffix("/loop/backing_file") {
            // A file's name is its user's, and only a device's node counts.
            let text = String(decoding: bytes, as: UTF8.self)
            return text.hasPrefix("/dev/") ? text : "/file\n"
        }
        // A comment is a person's; its line stays, since warnings name a line by its number.
        if name.hasSuffix(".conf") {
            return Self.lines(of: bytes).map { line in
                let text = line.drop(while: \.isWhitespace)
                return text.hasPrefix("#") || text.hasPrefix(";") ? "" : String(line)
            }.joined(separator: "\n")
        }
        return nil
    }

    private static func lines(of bytes: [UInt8]) -> [String] {
        bytes.split(separator: 0x0a, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }

    private func lines(_ bytes: [UInt8], where isWanted: (String) -> Bool) -> String {
        Self.lines(of: bytes).filter(isWanted).map { "\($0)\n" }.joined()
    }

    // MARK: - Tables

    /// The lines that touch one of the BARs, and the framebuffers' lines, wherever they are.
    private func memoryMap(_ entries: [IomemEntry]) -> String {
        if Iomem.isMasked(entries) { return "00000000-00000000 : masked\n" }
        var text = ""
        var around: [AddressRange] = []
        for entry in entries where isWanted(entry) {
            while let last = around.last, !last.contains(entry.range) { around.removeLast() }
            let (start, last) = (
                Hex(entry.range.start, digits: 8, prefix: ""), Hex(entry.range.last, digits: 8, prefix: "")
            )
            text += "\(String(repeating: "  ", count: around.count))\(start)-\(last) : \(entry.name)\n"
            around.append(entry.range)
        }
        guard text.isEmpty, let first = entries.first(where: { $0.range.last != 0 }) else { return text }
        // No line concerns a GPU. An empty map would be unreadable, which it was not.
        return "\(Hex(first.range.start, digits: 8, prefix: ""))-\(Hex(first.range.last, digits: 8, prefix: "")) : \n"
    }

    private func isWanted(_ entry: IomemEntry) -> Bool {
        ranges.contains(where: entry.range.overlaps) || framebuffers.contains(entry.name)
            || FramebufferDriver.kind(ofEntryNamed: entry.name) != nil
    }

    /// The mounts of block devices and of ZFS, and of /proc, each with the fields that count.
    private func mounts(_ mounts: [Mount]) -> String {
        mounts.filter { mount in
            !mount.number.hasPrefix("0:") || !mount.nodes.isEmpty || mount.pool != nil || mount.type == "proc"
        }.enumerated().map { index, mount in
            let options = mount.options.filter { $0.containsText("=/dev/") || $0.hasPrefix("hidepid=") }
            let fields = [
                "\(index + 1)", "0", mount.number, "/", Self.escaped(mount.point), "rw", "-", mount.type,
                Self.escaped(mount.source), (["rw"] + options).map(Self.escaped).joined(separator: ","),
            ]
            return fields.joined(separator: " ") + "\n"
        }.joined()
    }

    /// As `mangle_path()` writes a name.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case " ": result += "\\040"
            case "\t": result += "\\011"
            case "\n": result += "\\012"
            case "\\": result += "\\134"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    /// The units of a process, without the slices and the containers around them.
    private func groups(_ bytes: [UInt8]) -> String {
        Self.lines(of: bytes).compactMap { line in
            let units = line.split(separator: "/").filter { $0.hasSuffix(".service") || $0.hasSuffix(".scope") }
            return units.isEmpty ? nil : "0::/\(units.joined(separator: "/"))\n"
        }.joined()
    }

    /// What udev knows of a device, as far as it is read here. A label is a person's, but for a pool's name.
    private func properties(_ bytes: [UInt8]) -> String {
        let isMember = Self.lines(of: bytes).contains("E:ID_FS_TYPE=zfs_member")
        return lines(bytes) {
            $0.hasPrefix("E:APERTURED_") || $0.hasPrefix("E:ID_FS_TYPE=") || isMember && $0.hasPrefix("E:ID_FS_LABEL=")
        }
    }
}
