/// A tar archive, as GNU tar, bsdtar and busybox read it: the format of POSIX (ustar), with GNU's entries for long names.
///
/// It is made in memory: so no file of a report lies on a disk but the archive itself, and there is no folder to clean
/// up after a signal.
package enum Archive {
    /// What an entry is.
    package enum Content: Hashable, Sendable {
        case folder
        case file([UInt8])
        /// A symbolic link, with its target.
        case link(String)
    }

    /// A file, a folder or a link.
    package struct Entry: Hashable, Sendable {
        /// Relative, without a slash at its ends.
        package let path: String
        /// What stands there.
        package let content: Content
        /// Whether only its owner may use it.
        package let isPrivate: Bool

        /// An entry of the archive.
        package init(path: String, content: Content, isPrivate: Bool = false) {
            self.path = path
            self.content = content
            self.isPrivate = isPrivate
        }
    }

    private static let block = 512

    /// The archive's bytes: the entries in the order of their paths, all of them root's.
    /// - Parameter time: When all of them were changed last, in seconds since 1970.
    package static func bytes(of entries: [Entry], time: Int) -> [UInt8] {
        var result: [UInt8] = []
        // Component by component, so that a folder comes before what is in it.
        let ordered = entries.sorted {
            $0.path.split(separator: "/").lexicographicallyPrecedes($1.path.split(separator: "/"))
        }
        for entry in ordered { append(entry, time, to: &result) }
        result += [UInt8](repeating: 0, count: 2 * block)
        return result
    }

    private static func append(_ entry: Entry, _ time: Int, to result: inout [UInt8]) {
        let mode: (folder: Int, file: Int) = entry.isPrivate ? (0o700, 0o600) : (0o755, 0o644)
        switch entry.content {
        case .folder: append("\(entry.path)/", "", "5", mode.folder, [], time, to: &result)
        case .file(let bytes): append(entry.path, "", "0", mode.file, bytes, time, to: &result)
        case .link(let target): append(entry.path, target, "2", 0o777, [], time, to: &result)
        }
    }

    private static func append(
        _ path: String, _ target: String, _ type: Character, _ mode: Int, _ bytes: [UInt8], _ time: Int,
        to result: inout [UInt8]
    ) {
        // A header has room for 100 bytes of each; a longer one stands in an entry of its own before it.
        for (name, kind) in [(target, Character("K")), (path, "L")] where name.utf8.count > 100 {
            append("././@LongLink", "", kind, 0, Array(name.utf8) + [0], 0, to: &result)
        }
        var header = [UInt8](repeating: 0, count: block)
        func put(_ text: some Sequence<UInt8>, at offset: Int) {
            for (index, byte) in text.enumerated() { header[offset + index] = byte }
        }
        func put(_ number: Int, at offset: Int, digits: Int) {
            let text = String(number, radix: 8)
            put((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8, at: offset)
        }
        put(path.utf8.prefix(100), at: 0)
        put(mode, at: 100, digits: 7)
        put(0, at: 108, digits: 7)
        put(0, at: 116, digits: 7)
        put(bytes.count, at: 124, digits: 11)
        put(time, at: 136, digits: 11)
        put(type.utf8, at: 156)
        put(target.utf8.prefix(100), at: 157)
        put("ustar  ".utf8, at: 257)
        // The sum counts its own field as spaces.
        put([UInt8](repeating: 0x20, count: 8), at: 148)
        put(header.reduce(0) { $0 + Int($1) }, at: 148, digits: 6)
        put([0, 0x20], at: 154)
        result += header
        result += bytes
        result += [UInt8](repeating: 0, count: (block - bytes.count % block) % block)
    }
}
