/// A pattern for a device's syspath, in which `*` stands for any characters of one component:
/// `pci0000:00/0000:00:01.0/*`. A syspath names the ports above a card, so it identifies a slot even when bus numbers
/// change.
package struct PathPattern: Hashable, Sendable {
    /// The components below `/sys/devices`.
    private let components: [Substring]

    /// Parses a pattern below `/sys/devices`, with or without that prefix.
    ///
    /// `nil` for an empty component, for `.` and `..`, and for characters that no PCI device's syspath has.
    package init?(_ text: some StringProtocol) {
        var text = Substring(text)
        if text.hasPrefix("/") {
            guard text.hasPrefix(Self.devices + "/") else { return nil }
            text = text.dropFirst(Self.devices.count + 1)
        }
        components = text.split(separator: "/", omittingEmptySubsequences: false)
        let isValid = components.allSatisfy { component in
            !component.isEmpty && component != "." && component != ".."
                && component.utf8.allSatisfy { Self.characters.contains($0) }
        }
        guard isValid else { return nil }
    }

    private static let devices = "/sys/devices"
    private static let characters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-*".utf8)

    /// Whether the pattern matches the whole path.
    /// - Parameter path: A syspath without `/sys/devices/`.
    package func matches(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == components.count
            && zip(components, parts).allSatisfy { Self.matches(Array($1.utf8), Array($0.utf8)) }
    }

    /// Matches greedily and, at a mismatch, goes back to the last `*`, which then takes one character more.
    private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        let star = UInt8(ascii: "*")
        var at = (text: 0, pattern: 0)
        var back: (text: Int, pattern: Int)?
        while at.text < text.count {
            if at.pattern < pattern.count, pattern[at.pattern] == star {
                back = (at.text, at.pattern)
                at.pattern += 1
            } else if at.pattern < pattern.count, pattern[at.pattern] == text[at.text] {
                at.text += 1
                at.pattern += 1
            } else if let last = back {
                back = (last.text + 1, last.pattern)
                at = (last.text + 1, last.pattern + 1)
            } else {
                return false
            }
        }
        return pattern[at.pattern...].allSatisfy { $0 == star }
    }
}

extension PathPattern: CustomStringConvertible {
    package var description: String { components.joined(separator: "/") }
}
