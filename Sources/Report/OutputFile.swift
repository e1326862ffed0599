internal import CLinux
internal import Glibc
internal import SystemPackage

/// The file that the archive is written to, for its owner alone.
///
/// It gets its name only when it is whole: a run that is ended too early leaves nothing behind, neither a part of the
/// archive nor another file.
package struct OutputFile {
    /// Where the archive goes; `-` is the standard output.
    package let path: String
    /// Whether a file of this name may be replaced.
    package let replaces: Bool

    /// Whether the file gets a name from the start, as on a file system that has no files without one.
    private let isNamedAtOnce: Bool

    /// - Parameters:
    ///   - path: `-` for the standard output.
    ///   - replaces: Whether a file of this name may be replaced.
    ///   - isNamedAtOnce: For a test: see ``isNamedAtOnce``.
    package init(path: String, replaces: Bool, isNamedAtOnce: Bool = false) {
        self.path = path
        self.replaces = replaces
        self.isNamedAtOnce = isNamedAtOnce
    }

    private var isStandardOutput: Bool { path == "-" }

    /// Why nothing can be written there; `nil` to go on. Call it before the work.
    package var obstacle: String? {
        if isStandardOutput {
            return isatty(STDOUT_FILENO) == 1
                ? "the archive is no text for a terminal: name a file, or redirect it" : nil
        }
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else { return "\(path) exists, and is no plain file" }
        return replaces ? nil : "\(path) exists already: name another file, or replace it with --force"
    }

    /// Compresses the bytes with gzip, and writes them. The caller holds signals back: for a moment the file may have a
    /// name that it does not keep.
    package func write(_ bytes: [UInt8]) throws(ReportError) {
        let memory = try MemoryFile()
        try memory.fill(bytes)
        let gzip = Program(name: "gzip", arguments: ["-n", "-c"], deadline: 60_000)
        guard !isStandardOutput else { return try gzip.run(from: memory.descriptor, to: .standardOutput) }
        let unnamed = isNamedAtOnce ? -EOPNOTSUPP : unsafe clinux_unnamed_file(folder)
        guard unnamed >= 0 else {
            // Not every file system has such files.
            guard [EOPNOTSUPP, EISDIR, ENOENT, EINVAL].contains(-unnamed), unsafe access(folder, W_OK) == 0 else {
                throw failure(-unnamed)
            }
            return try writeNamed(gzip, from: memory.descriptor)
        }
        let file = FileDescriptor(rawValue: unnamed)
        defer {
            // It was flushed, or it failed already.
            try? file.close()
        }
        try fill(file, gzip, from: memory.descriptor)
        guard replaces else { return try expect(unsafe clinux_name_file(unnamed, path)) }
        try expect(unsafe clinux_name_file(unnamed, beside))
        try rename()
    }

    // MARK: - Names

    private var folder: String {
        let folder = FilePath(path).removingLastComponent()
        return folder.isEmpty ? "." : folder.string
    }

    /// The name until the archive takes the place of another file.
    private var beside: String {
        FilePath(folder).appending(".apertured-report.\(getpid())").string
    }

    /// For a file system on which a file has a name from the start.
    private func writeNamed(_ gzip: Program, from memory: FileDescriptor) throws(ReportError) {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(
                FilePath(beside), .writeOnly, options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                permissions: .ownerReadWrite)
        } catch {
            throw ReportError("cannot write \(path): \(error)")
        }
        defer {
            // It was flushed, or it failed already.
            try? file.close()
            // It has its own name by now, or is of no use.
            _ = unsafe unlink(beside)
        }
        try fill(file, gzip, from: memory)
        if replaces { return try rename() }
        try expect(unsafe link(beside, path) == 0 ? 0 : -errno)
    }

    private func fill(_ file: FileDescriptor, _ gzip: Program, from memory: FileDescriptor) throws(ReportError) {
        try gzip.run(from: memory, to: file)
        try expect(fsync(file.rawValue) == 0 ? 0 : -errno)
    }

    private func rename() throws(ReportError) {
        guard unsafe Glibc.rename(beside, path) != 0 else { return }
        let error = errno
        _ = unsafe unlink(beside)
        throw failure(error)
    }

    private func expect(_ result: CInt) throws(ReportError) {
        if result != 0 { throw failure(-result) }
    }

    private func failure(_ error: CInt) -> ReportError {
        ReportError("cannot write \(path): \(Errno(rawValue: error)) (errno \(error))")
    }
}
