/// Something that the host has below a PCI function, and loses when the function is taken.
package struct HostDependency: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A file system, and where it is mounted; `nil` when it is mounted where this process does not see it, in
        /// another mount namespace, or keeps its journal alone on the device.
        case mount(at: String?)
        case swap
        /// A device-mapper, md or bcache device that stands on the block device: `dm-0 (luks-root)`.
        case volume(String)
        /// An imported ZFS pool.
        case pool(String)
        /// ZFS pools are imported, and whether the block device is part of one cannot be told.
        case perhapsPool([String])
        /// A network interface that is up.
        case network
        /// A keyboard, a mouse or the like, by its name.
        case input(String)
        /// Whether there is anything could not be read; with the reason. That is not "nothing".
        case unknown(String)
    }

    package let kind: Kind
    /// The kernel's name of the block device, the interface or the input device; the PCI address for what is not known.
    package let device: String

    /// Mount points, interfaces and devices are named by users, and whoever reads of them may be root at a terminal:
    /// control characters become `?`.
    package init(_ kind: Kind, _ device: String) {
        self.device = Self.printable(device)
        self.kind =
            switch kind {
            case .mount(let point): .mount(at: point.map(Self.printable))
            case .volume(let name): .volume(Self.printable(name))
            case .pool(let name): .pool(Self.printable(name))
            case .perhapsPool(let names): .perhapsPool(names.map(Self.printable))
            case .input(let name): .input(Self.printable(name))
            case .unknown(let reason): .unknown(Self.printable(reason))
            case .swap, .network: kind
            }
    }

    /// Whether the host gets on without it: it is said, and nothing is refused for it.
    package var isWarning: Bool {
        if case .input = kind { true } else { false }
    }

    private static func printable(_ name: String) -> String {
        let scalars = name.unicodeScalars.map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            // Beside control characters, those that turn a line's direction or end it.
            case .control, .format, .lineSeparator, .paragraphSeparator: "?"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}

extension HostDependency: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .mount(let point?): "\(point) is mounted from \(device)"
        case .mount(nil): "a file system uses \(device), and where it is mounted is not known"
        case .swap: "swap is on \(device)"
        case .volume(let name): "\(name) stands on \(device)"
        case .pool(let name): "the ZFS pool \(name) stands on \(device)"
        case .perhapsPool(let names):
            "\(device) may be part of a ZFS pool (\(names.joined(separator: ", "))), whose disks cannot be told"
        case .network: "\(device) is up"
        case .input(let name): "\(name) (\(device)) is an input device"
        case .unknown(let reason): "what hangs below \(device) is not known: \(reason)"
        }
    }
}

extension HostDependency: Comparable {
    /// What the host would miss first comes first: the root file system before all others, disks before interfaces.
    package static func < (left: HostDependency, right: HostDependency) -> Bool {
        (left.rank, left.device, left.description) < (right.rank, right.device, right.description)
    }

    private var rank: Int {
        switch kind {
        case .mount("/"): 0
        case .mount: 1
        case .swap: 2
        case .pool: 3
        case .volume: 4
        case .network: 5
        case .perhapsPool: 6
        case .unknown: 7
        case .input: 8
        }
    }
}
