internal import CLinux
internal import Glibc
internal import KernelFiles
internal import Record
internal import SystemPackage

/// A file that another program may read at any time, such as node_exporter: it always finds a whole text. The new one is
/// written beside it under a hidden name, which neither node_exporter nor node-feature-discovery reads, and is then
/// renamed.
struct PublishedFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// As a person or the configuration names it.
    let path: String
    /// What the path is below; `nil` for a name that may be relative to the working directory.
    let tree: FileTree?

    /// Writes the text, for everybody to read. The caller holds signals back, so that no part of it is left behind.
    func write(_ text: String) throws(Failure) {
        let place = FilePath(path)
        guard let name = place.lastComponent?.string else { throw failure("it names no file") }
        let folder = try openFolder(place.removingLastComponent())
        defer { _ = close(folder) }
        try check(name, in: folder)
        let new = ".\(name).\(getpid()).new"
        // One of an earlier process with this number.
        _ = unsafe unlinkat(folder, new, 0)
        let opened = unsafe openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard opened >= 0 else { throw failure(errno) }
        let file = FileDescriptor(rawValue: opened)
        do {
            defer {
                // What counts is whether it was written.
                try? file.close()
            }
            try file.writeAll(Array(text.utf8))
            // The process's umask does not count.
            guard fchmod(opened, 0o644) == 0 else { throw Errno(rawValue: errno) }
            guard unsafe renameat(folder, new, folder, name) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            _ = unsafe unlinkat(folder, new, 0)
            throw failure((error as? Errno ?? .ioError).rawValue)
        }
    }

    /// Only a plain file is replaced: `/dev/null` is none.
    private func check(_ name: String, in folder: CInt) throws(Failure) {
        var status = stat()
        guard unsafe fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it exists, and is no plain file") }
    }

    private func openFolder(_ folder: FilePath) throws(Failure) -> CInt {
        let name = folder.isEmpty ? "." : folder.string
        guard let tree else {
            let opened = unsafe open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard opened >= 0 else { throw failure(errno) }
            return opened
        }
        let own = FilePath(RecordStore.folder)
        if folder.removingLastComponent() == own, let last = folder.lastComponent {
            // A boot removes it.
            do { try RecordFolder(tree: tree, makes: true).publish(last.string) } catch { throw failure("\(error)") }
        }
        do { return try tree.open(name, O_RDONLY | O_DIRECTORY).rawValue } catch { throw failure(error.rawValue) }
    }

    private func failure(_ error: CInt) -> Failure { failure("\(Errno(rawValue: error)) (errno \(error))") }

    private func failure(_ reason: String) -> Failure { Failure(description: "cannot write \(path): \(reason)") }
}
