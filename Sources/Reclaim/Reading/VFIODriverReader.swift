internal import Aperture
internal import Glibc
internal import KernelFiles

/// The aliases that were read before. modules.alias has more than a megabyte, and a claim reads the machine several
/// times.
final class AliasCache {
    fileprivate var stamps: [FileStamp?] = []
    fileprivate var aliases: [VFIODrivers.Alias] = []
}

/// Reads which VFIO drivers the running kernel has, from depmod's files.
struct VFIODriverReader {
    let tree: FileTree
    /// The tree that holds `/lib/modules`.
    let modules: FileTree
    let cache: AliasCache

    private static let prefix = Array("vfio_pci:".utf8)

    /// Reads the variant drivers' aliases. None is known when the kernel's modules are hidden, as in the unit's
    /// sandbox.
    func read(_ kernel: KernelRelease?) throws(FileTreeError) -> VFIODrivers {
        guard let kernel else { return VFIODrivers() }
        var aliases = try aliases(in: "/lib/modules/\(kernel.text)")
        for module in Set(aliases.map(\.module)) {
            guard let driver = try registeredDriver(of: module) else { continue }
            for index in aliases.indices where aliases[index].module == module { aliases[index].driver = driver }
        }
        return VFIODrivers(aliases: aliases)
    }

    private func aliases(in folder: String) throws(FileTreeError) -> [VFIODrivers.Alias] {
        let stamps = [modules.stamp("\(folder)/modules.alias"), modules.stamp("\(folder)/modules.builtin.modinfo")]
        if stamps == cache.stamps { return cache.aliases }
        // The first file has lines `alias PATTERN MODULE`, the second NUL-terminated strings `MODULE.alias=PATTERN`.
        let loadable = try modules.bytesIfPresent("\(folder)/modules.alias") ?? []
        let builtIn = try modules.bytesIfPresent("\(folder)/modules.builtin.modinfo") ?? []
        var aliases: [VFIODrivers.Alias] = []
        for line in Self.entries(of: loadable, endingWith: UInt8(ascii: "\n"), lead: UInt8(ascii: " ")) {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "alias" else { continue }
            if let alias = VFIODrivers.Alias(pattern: words[1], module: words[2]) { aliases.append(alias) }
        }
        for entry in Self.entries(of: builtIn, endingWith: 0, lead: UInt8(ascii: "=")) {
            guard let equals = entry.firstIndex(of: "="), entry[..<equals].hasSuffix(".alias") else { continue }
            let module = entry[..<equals].dropLast(".alias".count)
            let pattern = entry[entry.index(after: equals)...]
            if let alias = VFIODrivers.Alias(pattern: pattern, module: module) { aliases.append(alias) }
        }
        (cache.stamps, cache.aliases) = (stamps, aliases)
        return aliases
    }

    /// The driver's name, which sysfs shows for a loaded module: `pci:xe-vfio-pci`.
    private func registeredDriver(of module: String) throws(FileTreeError) -> String? {
        let drivers = try tree.listIfPresent("\(KernelPath.modules)/\(module)/drivers")
        return drivers.first { $0.hasPrefix("pci:") }.map { String($0.dropFirst(4)) }
    }

    /// The entries whose pattern begins with `vfio_pci:`. The files have tens of thousands of other entries and are
    /// read for each snapshot, so this compares bytes and makes a string of a matching entry alone.
    /// - Parameter lead: The byte before the pattern: the space or the `=` after `alias`.
    private static func entries(of bytes: [UInt8], endingWith end: UInt8, lead: UInt8) -> [String] {
        var found: [String] = []
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            var start = 0
            while start < buffer.count {
                let rest = buffer.count - start
                let last = unsafe memchr(base + start, CInt(end), rest).map { unsafe UnsafeRawPointer($0) - base }
                let entry = unsafe UnsafeRawBufferPointer(rebasing: buffer[start..<(last ?? buffer.count)])
                if unsafe isVFIO(entry, lead) { found.append(unsafe String(decoding: entry, as: UTF8.self)) }
                start = (last ?? buffer.count) + 1
            }
        }
        return found
    }

    private static func isVFIO(_ entry: UnsafeRawBufferPointer, _ lead: UInt8) -> Bool {
        guard let base = entry.baseAddress, let hit = unsafe memchr(base, CInt(lead), entry.count) else { return false }
        let begin = unsafe UnsafeRawPointer(hit) - base + 1
        guard entry.count - begin >= prefix.count else { return false }
        return unsafe memcmp(base + begin, prefix, prefix.count) == 0
    }
}
