package import Aperture
package import KernelFiles
package import Record

/// What the hook remembers of a domain while it runs: the GPUs whose units it has started, or was about to. One file for
/// each domain in `/run/apertured/libvirt`, named by its UUID; a line for each GPU. A reboot forgets it, and ends the
/// units as well.
package struct StartedUnits {
    /// The folder in `/run/apertured`, for root alone.
    package static let folder = "libvirt"
    /// More lines than a machine has GPUs.
    private static let most = 64
    /// The largest file that is read, in bytes: a line has at most 17.
    private static let largest = 17 * most

    private let tree: FileTree

    /// The memory below the tree's root.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Takes the lock under which units are started and stopped: of two domains that start at once, one alone starts a
    /// card's unit.
    /// - Parameter milliseconds: How long to wait for another hook.
    package func lock(within milliseconds: Int32) throws(RecordError) -> RecordLock {
        try RecordLock(folder: try RecordFolder(tree: tree, Self.folder, makes: true), within: milliseconds)
    }

    /// The domain's GPUs; empty when nothing is remembered. Throws for a file that is not trusted or malformed.
    package func load(_ uuid: String) throws(RecordError) -> [PCIAddress] {
        let path = "\(RecordStore.folder)/\(Self.folder)"
        guard tree.exists(path) else { return [] }
        let folder = try RecordFolder(tree: tree, Self.folder, makes: false)
        guard let bytes = try folder.read(uuid, atMost: Self.largest) else { return [] }
        var addresses: [PCIAddress] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false) {
            guard !line.isEmpty else { continue }
            guard let address = PCIAddress(line), addresses.count < Self.most else {
                throw .malformed(path: "\(path)/\(uuid)", reason: "'\(printable(String(line)))' is not a PCI address")
            }
            addresses.append(address)
        }
        return addresses
    }

    /// Replaces what is remembered of the domain; nothing stays of an empty list. A reader finds the old list or the new
    /// one.
    package func save(_ addresses: [PCIAddress], of uuid: String) throws(RecordError) {
        let folder = try RecordFolder(tree: tree, Self.folder, makes: true)
        guard !addresses.isEmpty else { return try folder.remove(uuid) }
        let new = ".\(uuid).new"
        // A hook that was killed may have left it.
        try folder.remove(new)
        try folder.write(Array(addresses.map { "\($0)\n" }.joined().utf8), to: new)
        try folder.rename(new, to: uuid)
    }
}
