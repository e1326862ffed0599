package import Aperture

/// Replaces what identifies the machine, its owner and its guests, each by the same other word wherever it stands, so
/// that files and the links between them still fit together.
///
/// It replaces the names that it is told (``Secret``), and what it recognises by its form: UUIDs, MAC addresses, the
/// network interfaces that are named after one, long hexadecimal identifiers, the addresses of PCI functions that are
/// not to be shown, the names of home folders and of disks (`/dev/disk/by-…`), libvirt's scopes, and what follows the
/// word "serial number".
package final class Redactor {
    /// What a word stands for.
    package enum Kind: String, Sendable {
        case user, host, guest, serial, disk
        /// A machine's, a boot's or a container's identifier.
        case id
        /// A PCI function that the report is not about.
        case other
        case uuid, mac
    }

    /// A name to replace, wherever it stands as a word.
    package struct Secret: Hashable, Sendable {
        /// What it is the name of.
        package let kind: Kind
        /// The name, in any case.
        package let text: String

        /// One name.
        package init(_ kind: Kind, _ text: String) {
            self.kind = kind
            self.text = text
        }
    }

    private struct Needle {
        let bytes: [UInt8]
        let replacement: [UInt8]
    }

    private struct Match {
        let end: Int
        let replacement: [UInt8]
    }

    /// The addresses that stay.
    private let shown: Set<PCIAddress>
    /// By their first byte, the longest first.
    private var needles: [UInt8: [Needle]] = [:]
    private var pseudonyms: [Secret: String] = [:]
    private var counts: [Kind: Int] = [:]

    /// - Parameters:
    ///   - secrets: The names to replace.
    ///   - shown: The PCI functions whose addresses stay.
    package init(_ secrets: [Secret], showing shown: Set<PCIAddress>) {
        self.shown = shown
        for secret in secrets {
            let replacement = Array(pseudonym(secret.kind, secret.text).utf8)
            for form in Self.forms(of: secret.text) {
                let bytes = form.utf8.map(Self.lowercase)
                guard let first = bytes.first else { continue }
                needles[first, default: []].append(Needle(bytes: bytes, replacement: replacement))
            }
        }
        for first in needles.keys { needles[first]?.sort { $0.bytes.count > $1.bytes.count } }
    }

    /// The name as systemd, device-mapper and the kernel's tables write it, beside itself. JSON doubles a backslash.
    private static func forms(of name: String) -> Set<String> {
        func replacing(_ character: Character, by text: String) -> String {
            name.reduce(into: "") { $0 += $1 == character ? text : String($1) }
        }
        return [
            name, replacing("-", by: "--"), replacing("-", by: "\\x2d"), replacing("-", by: "\\\\x2d"),
            replacing(" ", by: "\\x20"), replacing(" ", by: "\\\\x20"), replacing(" ", by: "\\040"),
            replacing(" ", by: "_"),
        ]
    }

    // MARK: - What is asked

    /// The text with everything replaced.
    package func text(_ text: String) -> String { String(decoding: bytes(Array(text.utf8)), as: UTF8.self) }

    /// The same for bytes.
    package func bytes(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if let match = match(in: bytes, at: index) {
                result += match.replacement
                index = match.end
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    /// The components of a path, each replaced by itself; see ``text(_:)``.
    package func path(_ components: [String]) -> [String] {
        let isDisk = components.count > 3 && components[0] == "dev" && components[1] == "disk"
        return components.enumerated().map { index, name in
            isDisk && index == 3 ? pseudonym(.disk, name) : text(name)
        }
    }

    /// The other word for a thing; the same each time.
    private func pseudonym(_ kind: Kind, _ text: String) -> String {
        let key = Secret(kind, text.lowercased())
        if let known = pseudonyms[key] { return known }
        let number = counts[kind, default: 0] + 1
        counts[kind] = number
        let word: String
        switch kind {
        case .uuid: word = "00000000-0000-4000-8000-\(Hex(UInt64(number), digits: 12, prefix: ""))"
        case .mac:
            let (high, low) = (UInt64(number) >> 8 & 0xff, UInt64(number) & 0xff)
            word = "02:00:00:00:\(Hex(high, digits: 2, prefix: "")):\(Hex(low, digits: 2, prefix: ""))"
        default: word = "\(kind.rawValue)-\(number)"
        }
        pseudonyms[key] = word
        return word
    }

    // MARK: - Matching

    private func match(in bytes: [UInt8], at index: Int) -> Match? {
        if bytes[index] == UInt8(ascii: "/") { return named(bytes, index) }
        guard Self.isStart(bytes, index) else { return nil }
        return known(bytes, index) ?? scope(bytes, index) ?? serial(bytes, index) ?? uuid(bytes, index)
            ?? interface(bytes, index) ?? hardwareAddress(bytes, index) ?? function(bytes, index)
            ?? identifier(bytes, index)
    }

    private func known(_ bytes: [UInt8], _ index: Int) -> Match? {
        for needle in needles[Self.lowercase(bytes[index])] ?? [] {
            let end = index + needle.bytes.count
            guard end <= bytes.count, Self.isEnd(bytes, end),
                zip(needle.bytes, bytes[index..<end]).allSatisfy({ $0 == Self.lowercase($1) })
            else { continue }
            return Match(end: end, replacement: needle.replacement)
        }
        return nil
    }

    /// `/home/NAME`, `/media/NAME`, `/dev/disk/by-id/NAME`.
    private func named(_ bytes: [UInt8], _ index: Int) -> Match? {
        for (prefix, kind) in [("/home/", Kind.user), ("/media/", .user), ("/dev/disk/by-", .disk)] {
            guard Self.has(prefix, bytes, index) else { continue }
            var begin = index + prefix.utf8.count
            if kind == .disk {
                guard let slash = bytes[begin...].firstIndex(of: UInt8(ascii: "/")) else { continue }
                begin = slash + 1
            }
            let end = bytes[begin...].firstIndex(where: Self.endsName) ?? bytes.count
            guard end > begin else { continue }
            let name = String(decoding: bytes[begin..<end], as: UTF8.self)
            return Match(end: end, replacement: bytes[index..<begin] + Array(pseudonym(kind, name).utf8))
        }
        return nil
    }

    /// `machine-qemu\x2d1\x2dNAME.scope`, as systemd-machined names the unit of a guest.
    private func scope(_ bytes: [UInt8], _ index: Int) -> Match? {
        guard Self.has("machine-", bytes, index) else { return nil }
        let begin = index + 8
        let end = bytes[begin...].firstIndex(where: Self.endsName) ?? bytes.count
        // The same name in JSON, where a backslash is doubled, is the same guest's.
        let plain = bytes[begin..<end].filter { $0 != UInt8(ascii: "\\") }
        let name = String(decoding: plain, as: UTF8.self)
        guard name.hasSuffix(".scope") else { return nil }
        return Match(end: end, replacement: Array("machine-\(pseudonym(.guest, name)).scope".utf8))
    }

    /// `serial number: X`, `Serial=X`.
    private func serial(_ bytes: [UInt8], _ index: Int) -> Match? {
        guard Self.has("serial", bytes, index) else { return nil }
        var place = index + 6
        for word in [" number", "_number", "no", " no", "."] where Self.has(word, bytes, place) {
            place += word.utf8.count
        }
        func skipSpaces() { while place < bytes.count, bytes[place] == 0x20 || bytes[place] == 0x09 { place += 1 } }
        skipSpaces()
        guard place < bytes.count, [UInt8(ascii: ":"), UInt8(ascii: "=")].contains(bytes[place]) else { return nil }
        place += 1
        skipSpaces()
        let end = bytes[place...].firstIndex(where: Self.endsName) ?? bytes.count
        guard end > place else { return nil }
        let value = String(decoding: bytes[place..<end], as: UTF8.self)
        return Match(end: end, replacement: bytes[index..<place] + Array(pseudonym(.serial, value).utf8))
    }

    private func uuid(_ bytes: [UInt8], _ index: Int) -> Match? {
        var (place, digits) = (index, [UInt8]())
        for (number, length) in [8, 4, 4, 4, 12].enumerated() {
            if number > 0 {
                guard let next = Self.dash(bytes, place) else { return nil }
                place = next
            }
            guard Self.hexadecimals(bytes, place) >= length else { return nil }
            digits += bytes[place..<(place + length)]
            place += length
        }
        guard Self.isEnd(bytes, place) else { return nil }
        // Xen's control domain has this one.
        if digits.allSatisfy({ $0 == UInt8(ascii: "0") }) {
            return Match(end: place, replacement: Array(bytes[index..<place]))
        }
        return Match(end: place, replacement: Array(pseudonym(.uuid, String(decoding: digits, as: UTF8.self)).utf8))
    }

    /// At least six pairs with the same separator between.
    private func hardwareAddress(_ bytes: [UInt8], _ index: Int) -> Match? {
        guard Self.hexadecimals(bytes, index) == 2, index + 2 < bytes.count else { return nil }
        let separator = bytes[index + 2]
        guard separator == UInt8(ascii: ":") || separator == UInt8(ascii: "-") else { return nil }
        var (place, pairs) = (index + 2, 1)
        while place < bytes.count, bytes[place] == separator, Self.hexadecimals(bytes, place + 1) == 2 {
            place += 3
            pairs += 1
        }
        guard pairs >= 6, Self.isEnd(bytes, place) else { return nil }
        return Match(end: place, replacement: Array(pseudonym(.mac, Self.digits(bytes[index..<place])).utf8))
    }

    /// `enx001122334455`, as udev names an interface after its address.
    private func interface(_ bytes: [UInt8], _ index: Int) -> Match? {
        guard ["enx", "wlx", "wwx"].contains(where: { Self.has($0, bytes, index) }),
            Self.hexadecimals(bytes, index + 3) == 12, Self.isEnd(bytes, index + 15)
        else { return nil }
        let address = pseudonym(.mac, Self.digits(bytes[(index + 3)..<(index + 15)]))
        return Match(end: index + 15, replacement: bytes[index..<(index + 3)] + address.utf8.filter { $0 != 0x3a })
    }

    private func function(_ bytes: [UInt8], _ index: Int) -> Match? {
        let domain = Self.hexadecimals(bytes, index)
        let end = index + domain + 8
        guard (4...8).contains(domain), end <= bytes.count, Self.isEnd(bytes, end),
            let address = PCIAddress(String(decoding: bytes[index..<end], as: UTF8.self))
        else { return nil }
        let word = shown.contains(address) ? Array(bytes[index..<end]) : Array(pseudonym(.other, "\(address)").utf8)
        return Match(end: end, replacement: word)
    }

    private func identifier(_ bytes: [UInt8], _ index: Int) -> Match? {
        let count = Self.hexadecimals(bytes, index)
        guard count >= 32, Self.isEnd(bytes, index + count) else { return nil }
        let text = String(decoding: bytes[index..<(index + count)], as: UTF8.self)
        return Match(end: index + count, replacement: Array(pseudonym(.id, text).utf8))
    }

    // MARK: - Bytes

    private static func lowercase(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(lowercase(byte)) || byte >= 0x80
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(lowercase(byte))
    }

    private static func hexadecimals(_ bytes: [UInt8], _ index: Int) -> Int {
        index <= bytes.count ? bytes[index...].prefix(while: isHexadecimal).count : 0
    }

    /// Whether a word can begin here: at the beginning, behind another character than a letter or digit, or behind an
    /// escape (`\x2d`, `\040`).
    private static func isStart(_ bytes: [UInt8], _ index: Int) -> Bool {
        guard index > 0, isWord(bytes[index - 1]) else { return true }
        guard index >= 4, bytes[index - 4] == UInt8(ascii: "\\") else { return false }
        return bytes[(index - 3)..<index].dropFirst(bytes[index - 3] == UInt8(ascii: "x") ? 1 : 0).allSatisfy(
            isHexadecimal)
    }

    private static func isEnd(_ bytes: [UInt8], _ index: Int) -> Bool {
        index >= bytes.count || !isWord(bytes[index])
    }

    /// What ends a name in a path or a message.
    private static func endsName(_ byte: UInt8) -> Bool { byte <= 0x20 || "/\"'`,;()<>".utf8.contains(byte) }

    private static func has(_ text: String, _ bytes: [UInt8], _ index: Int) -> Bool {
        let end = index + text.utf8.count
        return end <= bytes.count && zip(text.utf8, bytes[index..<end]).allSatisfy { $0 == lowercase($1) }
    }

    /// Where a dash ends, as it is or as systemd escapes it.
    private static func dash(_ bytes: [UInt8], _ index: Int) -> Int? {
        ["-", "\\x2d", "\\\\x2d"].first { has($0, bytes, index) }.map { index + $0.utf8.count }
    }

    private static func digits(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.filter(isHexadecimal), as: UTF8.self)
    }
}
