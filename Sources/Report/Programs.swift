internal import CLinux
internal import Glibc
internal import SystemPackage

/// A file of the report that could not be made, or a program that did not do its work.
package struct ReportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed and why, without a full stop.
    package let description: String

    /// One failure.
    package init(_ description: String) {
        self.description = description
    }
}

/// A program that reads a file in memory, or nothing, and writes another file.
struct Program {
    /// Looked for in PATH.
    let name: String
    let arguments: [String]
    /// How long it may take, in milliseconds.
    let deadline: Int32

    /// Runs the program to its end; a program that does not end is killed.
    func run(from input: FileDescriptor?, to output: FileDescriptor) throws(ReportError) {
        let words: [UnsafeMutablePointer<CChar>?] = unsafe ([name] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let error = unsafe clinux_spawn_filter(
            &process, name, words, environ, input?.rawValue ?? -1, output.rawValue)
        guard error == 0 else { throw ReportError("cannot run \(name): \(Errno(rawValue: error))") }
        let tick = unsafe clinux_tick(function: { _ in true }, context: nil)
        var status: CInt = 0
        switch unsafe clinux_process_wait(process, deadline, tick, &status) {
        case 0: break
        case ETIMEDOUT:
            _ = kill(process, SIGKILL)
            _ = unsafe clinux_process_wait(process, 1000, tick, &status)
            throw ReportError("\(name) did not end within \(deadline / 1000) s")
        case let error: throw ReportError("cannot wait for \(name): \(Errno(rawValue: error))")
        }
        guard status == 0 else {
            let how = status & 0x7f == 0 ? "ended with status \(status >> 8 & 0xff)" : "was ended by a signal"
            throw ReportError("\(name) \(how)")
        }
    }
}

/// A file in memory, which ends with the process.
struct MemoryFile: ~Copyable {
    let descriptor: FileDescriptor

    init() throws(ReportError) {
        let file = clinux_memory_file()
        guard file >= 0 else { throw ReportError("cannot make a file in memory: \(Errno(rawValue: -file))") }
        descriptor = FileDescriptor(rawValue: file)
    }

    deinit {
        // It has no name, and nobody else reads it.
        try? descriptor.close()
    }

    /// Writes everything, and goes back to the beginning.
    func fill(_ bytes: [UInt8]) throws(ReportError) {
        do {
            try descriptor.writeAll(bytes)
            try descriptor.seek(offset: 0, from: .start)
        } catch {
            throw ReportError("cannot write to a file in memory: \(error)")
        }
    }

    /// The whole file.
    func contents() throws(ReportError) -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            try descriptor.seek(offset: 0, from: .start)
            while true {
                let piece = try unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                    count = try unsafe descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if piece.isEmpty { return bytes }
                bytes += piece
            }
        } catch {
            throw ReportError("cannot read a file in memory: \(error)")
        }
    }
}

/// The journal of one card.
package enum JournalExcerpt {
    /// The last lines of this boot, without the host's name.
    /// - Parameter query: What journalctl is to match.
    package static func read(_ query: [String]) throws(ReportError) -> String {
        let options = [
            "--no-pager", "--quiet", "--boot", "--no-hostname", "--output=short-monotonic", "--lines=2000",
        ]
        let memory = try MemoryFile()
        try Program(name: "journalctl", arguments: options + query, deadline: 20_000).run(
            from: nil, to: memory.descriptor)
        return String(decoding: try memory.contents(), as: UTF8.self)
    }
}
