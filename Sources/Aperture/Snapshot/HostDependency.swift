/// Something of the host that depends on a PCI function, and that the host loses when the function is taken.
package struct HostDependency: Hashable, Sendable {
    /// What depends on the function.
    package enum Kind: Hashable, Sendable {
        /// A file system, with its mount point; `nil` when this process does not see the mount: it is in another mount
        /// namespace, or only the file system's journal is on the device.
        case mount(at: String?)
        /// Swap space.
        case swap
        /// A device-mapper, md or bcache device on top of the block device: `dm-0 (luks-root)`.
        case volume(String)
        /// An imported ZFS pool.
        case pool(String)
        /// The imported ZFS pools, where it is not known whether the block device is part of one of them.
        case perhapsPool([String])
        /// A network interface that is up.
        case network
        /// A keyboard, a mouse or another input device, by its name.
        case input(String)
        /// Reading failed, with the reason: something may depend on the function. That is not "nothing".
        case unknown(String)
    }

    /// Its names are printable: see ``init(_:_:)``.
    package let kind: Kind
    /// The kernel's name of the block device, the interface or the input device; the PCI address for
    /// ``Kind/unknown(_:)``.
    package let device: String

    /// The names become printable: users choose the names of mount points, interfaces and devices.
    package init(_ kind: Kind, _ device: String) {
        self.device = device.printable
        self.kind =
            switch kind {
            case .mount(let point): .mount(at: point.map(\.printable))
            case .volume(let name): .volume(name.printable)
            case .pool(let name): .pool(name.printable)
            case .perhapsPool(let names): .perhapsPool(names.map(\.printable))
            case .input(let name): .input(name.printable)
            case .unknown(let reason): .unknown(reason.printable)
            case .swap, .network: kind
            }
    }

    /// Whether the host can do without it: it is named in a warning, and nothing is refused for it.
    package var isWarning: Bool {
        if case .input = kind { true } else { false }
    }
}

extension HostDependency: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .mount(let point?): "\(point) is mounted from \(device)"
        case .mount(nil): "a file system uses \(device), and its mount point is not known"
        case .swap: "swap is on \(device)"
        case .volume(let name): "\(name) is on \(device)"
        case .pool(let name): "the ZFS pool \(name) is on \(device)"
        case .perhapsPool(let names):
            "\(device) may be part of a ZFS pool whose disks are not known (\(names.joined(separator: ", ")))"
        case .network: "\(device) is up"
        case .input(let name): "\(name) (\(device)) is an input device"
        case .unknown(let reason): "what depends on \(device) is not known: \(reason)"
        }
    }
}

extension HostDependency: Comparable {
    /// By what the host would miss most: the root file system before all others, disks before interfaces.
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
