/// What was read of the kernel's files, for a report: each path with its answer, in the order of the reading.
///
/// A ``FileTree`` keeps one when it was made by ``FileTree/noting(in:)``. Readers that do not go through the tree, such
/// as the ones with a deadline, note their answers themselves.
package final class ReadLog: Sendable {
    /// What a read gave.
    package enum Answer: Hashable, Sendable {
        /// A file's contents.
        case bytes([UInt8])
        /// A symbolic link's target, as it is written.
        case target(String)
        /// A folder's names.
        case names([String])
        /// That there is such a file, of whatever kind.
        case exists
        /// That the process, whose folder the path is, has this device node open or mapped.
        case holds(String)
        /// An error that is no absence.
        case failed(FileTreeError)
    }

    /// A path of the kernel, and what it gave.
    package struct Reading: Hashable, Sendable {
        /// The path as it was asked for.
        package let path: String
        /// What came of it.
        package let answer: Answer

        /// One reading.
        package init(path: String, answer: Answer) {
            self.path = path
            self.answer = answer
        }
    }

    /// One thread reads for a report, and notes what it reads.
    nonisolated(unsafe) private var noted: [Reading] = []

    /// An empty log.
    package init() {}

    /// All readings so far.
    package var readings: [Reading] { unsafe noted }

    /// Adds a reading. An absence is left out: a tree that lacks the file gives the same answer.
    package func note(_ path: String, _ answer: Answer) {
        if case .failed(let error) = answer, error.isAbsence { return }
        unsafe noted.append(Reading(path: path, answer: answer))
    }
}

extension FileTree {
    /// The same files, with a log of what is read.
    package func noting(in log: ReadLog) -> FileTree { FileTree(root: root, log: log) }

    /// Does the work, and notes what came of it.
    func noted<Value>(
        _ path: String, as answer: (Value) -> ReadLog.Answer?, _ work: () throws(FileTreeError) -> Value
    ) throws(FileTreeError) -> Value {
        guard let log else { return try work() }
        do throws(FileTreeError) {
            let value = try work()
            if let answer = answer(value) { log.note(path, answer) }
            return value
        } catch {
            log.note(path, .failed(error))
            throw error
        }
    }
}

/// The kind of a file, found without opening it for reading.
package enum FileShape: Hashable, Sendable {
    case folder
    case link(String)
    case other
}

extension FileTree {
    /// What stands at the path itself; `nil` for nothing, or for what cannot be looked at.
    package func shape(_ path: String) -> FileShape? {
        // An unreadable link cannot be told from a missing one, and `nil` is said for both.
        if let target = (try? linkTarget(path)) ?? nil { return .link(target) }
        guard exists(path) else { return nil }
        return isFolder(path) ? .folder : .other
    }
}
