/// A PCI device of the host that a guest of libvirt has: a `<hostdev>` of its XML.
package struct LibvirtDevice: Hashable, Sendable {
    /// The guest's name; the file's where it has none.
    package var guest: String
    /// The function on the host.
    package var address: PCIAddress
    /// `managed`: whether libvirt takes the device from the host's driver and gives it back. `nil` where it is not said;
    /// libvirt takes that for no.
    package var isManaged: Bool?
    /// The file.
    package var path: String

    /// A guest's device.
    package init(guest: String, address: PCIAddress, isManaged: Bool?, path: String) {
        self.guest = guest
        self.address = address
        self.isManaged = isManaged
        self.path = path
    }

    /// Scans a guest's XML for `<hostdev … type='pci'>`, and in it for the `<address>` in `<source>`. It reads the form
    /// that libvirt writes, and is no parser of XML: what it does not understand it leaves out. Comments are skipped.
    package static func scan(_ text: String, path: String) -> [LibvirtDevice] {
        let tags = tags(in: text)
        var guest = path.split(separator: "/").last.map { String($0.prefix { $0 != "." }) } ?? path
        var devices: [LibvirtDevice] = []
        var isNamed = false
        var isPCI = false
        var isManaged: Bool?
        var isSource = false
        for tag in tags {
            switch tag.name {
            // The guest's is the first; a network's or a device's comes after it.
            case "name" where !isNamed:
                guest = tag.text
                isNamed = true
            case "hostdev":
                isPCI = tag.attributes["type"] == "pci"
                isManaged = tag.attributes["managed"].map { $0 == "yes" }
            case "/hostdev": isPCI = false
            case "source": isSource = isPCI
            case "/source": isSource = false
            case "address" where isSource:
                guard let address = address(tag.attributes) else { continue }
                devices.append(LibvirtDevice(guest: guest, address: address, isManaged: isManaged, path: path))
            default: break
            }
        }
        return devices
    }

    private static func address(_ attributes: [String: String]) -> PCIAddress? {
        func number(_ name: String) -> UInt32? {
            guard let text = attributes[name] else { return nil }
            return text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
        }
        guard let bus = number("bus").flatMap({ UInt8(exactly: $0) }),
            let slot = number("slot").flatMap({ UInt8(exactly: $0) }),
            let function = number("function").flatMap({ UInt8(exactly: $0) })
        else { return nil }
        return PCIAddress(domain: number("domain") ?? 0, bus: bus, device: slot, function: function)
    }

    private struct Tag {
        /// `hostdev`, `/hostdev`.
        var name: String
        var attributes: [String: String] = [:]
        /// The text up to the next tag.
        var text = ""
    }

    private static func tags(in text: String) -> [Tag] {
        var tags: [Tag] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "<") {
            if !tags.isEmpty { tags[tags.count - 1].text = String(rest[..<open]) }
            rest = rest[open...]
            if rest.hasPrefix("<!--") {
                rest = rest.dropFirst(4)
                while !rest.isEmpty, !rest.hasPrefix("-->") { rest = rest.dropFirst() }
                rest = rest.dropFirst(3)
                continue
            }
            guard let close = rest.firstIndex(of: ">") else { break }
            tags.append(tag(rest[rest.index(after: open)..<close]))
            rest = rest[rest.index(after: close)...]
        }
        return tags
    }

    private static func tag(_ inside: Substring) -> Tag {
        var tag = Tag(name: String(inside.prefix { !$0.isWhitespace }))
        if tag.name.count > 1, tag.name.hasSuffix("/") { tag.name.removeLast() }
        var rest = inside.dropFirst(tag.name.count)
        while let sign = rest.firstIndex(of: "=") {
            let name = rest[..<sign].split(whereSeparator: \.isWhitespace).last ?? ""
            let value = rest[rest.index(after: sign)...].drop(while: \.isWhitespace)
            guard let quote = value.first, quote == "'" || quote == "\"" else { break }
            let inside = value.dropFirst()
            guard let end = inside.firstIndex(of: quote) else { break }
            tag.attributes[String(name)] = String(inside[..<end])
            rest = inside[inside.index(after: end)...]
        }
        return tag
    }
}
