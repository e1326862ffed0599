package import Aperture
internal import Configuration
package import KernelFiles
internal import Glibc
internal import SystemPackage

/// The file of the configuration that `apertured enable` writes, and `apertured disable` removes: it pins the card that
/// is at an address.
package struct PinFile {
    private static let folder = "/etc/apertured.conf.d"

    private let tree: FileTree
    private let address: PCIAddress

    /// The file of a GPU; nothing is read.
    package init(_ address: PCIAddress, tree: FileTree) {
        self.address = address
        self.tree = tree
    }

    /// Its path, which no other program and no example of the manuals uses.
    package var path: String { "\(Self.folder)/pin-\(address).conf" }

    /// The conditions of a card: one `Key=Value` for each fact that is known.
    package static func conditions(of card: CardFacts) -> [String] {
        [
            card.id.map { "Id=\($0)" }, card.subsystem.map { "Subsystem=\($0)" }, card.path.map { "Path=\($0)" },
        ].compactMap(\.self)
    }

    /// The text of the file for a card.
    package static func text(for card: CardFacts) -> String {
        """
        # Written by "apertured enable \(card.address)", and removed by "apertured disable \(card.address)".
        # Another card at this address is refused: see apertured.conf(5).
        [GPU]
        Address=\(card.address)
        \(conditions(of: card).joined(separator: "\n"))

        """
    }

    /// The text of the file that is there; `nil` without one.
    package func read() throws(FileTreeError) -> String? {
        do {
            return String(decoding: try tree.regularBytes(path), as: UTF8.self)
        } catch  where error.isAbsence {
            return nil
        }
    }

    /// Whether a text is one that ``text(for:)`` made, and nobody has added to it since.
    package func isOwn(_ text: String) -> Bool {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 5, lines.last == "", lines[0].hasPrefix("# Written by \"apertured enable \(address)\"")
        else {
            return false
        }
        guard lines[2] == "[GPU]", lines[3] == "Address=\(address)" else { return false }
        let keys = lines[4...].dropLast().map { $0.prefix { $0 != "=" } }
        return keys.allSatisfy { ["Id", "Subsystem", "Path"].contains($0) } && Set(keys).count == keys.count
    }

    /// Writes the file, whole or not at all.
    /// - Returns: Whether the folder was made for it.
    package func write(_ text: String) throws(FileTreeError) -> Bool {
        let made = try makeFolder()
        let fresh = "\(Self.folder)/.pin-\(address).conf.new"
        do {
            // Of a run that was killed.
            _ = unsafe unlink(place(fresh))
            let file = try FileDescriptor.open(
                FilePath(place(fresh)), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
            try file.closeAfter {
                _ = try file.writeAll(text.utf8)
                // However narrow the caller's umask: `status` reads the file as any user.
                guard fchmod(file.rawValue, 0o644) == 0, fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard unsafe rename(place(fresh), place(path)) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            _ = unsafe unlink(place(fresh))
            if made { _ = unsafe rmdir(place(Self.folder)) }
            throw FileTreeError(.write, path, error as? Errno ?? .ioError)
        }
        return made
    }

    /// Removes the file.
    /// - Parameter withFolder: Whether its folder goes as well, if it is empty then.
    package func remove(withFolder: Bool) throws(FileTreeError) {
        guard unsafe unlink(place(path)) == 0 || errno == ENOENT else {
            throw FileTreeError(.remove, path, Errno(rawValue: errno))
        }
        // Someone else may have put something there.
        if withFolder { _ = unsafe rmdir(place(Self.folder)) }
    }

    private func makeFolder() throws(FileTreeError) -> Bool {
        if unsafe mkdir(place(Self.folder), 0o755) == 0 { return true }
        guard errno == EEXIST else { throw FileTreeError(.write, Self.folder, Errno(rawValue: errno)) }
        return false
    }

    /// The path on this machine.
    private func place(_ path: String) -> String {
        tree.isMachine ? path : tree.root.appending(FilePath(path).components).string
    }
}
