package import Aperture

/// What the hook needs to know of a libvirt domain.
package struct Domain: Hashable, Sendable {
    /// The domain's UUID in lower case: 36 characters, hexadecimal digits and hyphens.
    package var uuid: String
    /// The host's PCI functions that the domain gets whole (`<hostdev mode='subsystem' type='pci'>`), in the order of the
    /// document. Mediated devices are not among them: the host's driver keeps their card.
    package var functions: [PCIAddress]

    /// A domain as its XML describes it.
    package init(uuid: String, functions: [PCIAddress]) {
        self.uuid = uuid
        self.functions = functions
    }

    /// The UUID in lower case, or `nil` for a text that is none. The result is fit to be a file's name.
    static func uuid(_ text: String) -> String? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        guard parts.allSatisfy({ $0.utf8.allSatisfy(isHexadecimal) }) else { return nil }
        return text.lowercased()
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}

/// Why a domain's XML cannot be used.
package struct DomainError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    init(_ description: String) {
        self.description = description
    }
}
