internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// A lock that allows one claim or release at a time on a machine; released when it is destroyed.
///
/// A POSIX record lock (`fcntl(F_SETLK)`): the kernel releases it when its process ends, however that ends, and tells
/// which process holds it.
package struct RecordLock: ~Copyable {
    private static let name = "lock"
    /// How often a lock that is held is tried again, in milliseconds: `F_SETLKW` has no deadline. The pauses grow, so
    /// that 63 cards' units which wait for one claim leave the processor to it.
    private static let intervals: ClosedRange<Int32> = 50...1000

    private static func interval(after waited: Int32) -> Int32 {
        min(max(waited / 8, intervals.lowerBound), intervals.upperBound)
    }

    private let file: FileDescriptor

    /// Takes the folder's lock: see ``RecordStore/lock(within:unless:)``.
    package init(
        folder: borrowing RecordFolder, within milliseconds: Int32,
        unless interruption: (_ left: Int32) -> String? = { _ in nil }
    ) throws(RecordError) {
        file = try Self.acquire(folder, within: milliseconds, unless: interruption)
    }

    private static func acquire(
        _ folder: borrowing RecordFolder, within milliseconds: Int32, unless interruption: (_ left: Int32) -> String?
    ) throws(RecordError) -> FileDescriptor {
        let path = "\(folder.path)/\(name)"
        guard let file = try folder.open(name, O_RDWR | O_CREAT) else {
            throw .file(operation: "open", path: path, errno: .noSuchFileOrDirectory)
        }
        // Each holder has all of the time: in a queue of many cards' claims the wait is for the one that is at work.
        var waited: Int32 = 0
        var total: Int32 = 0
        var last: Int32?
        while !take(file) {
            let error: RecordError
            if errno != EAGAIN, errno != EACCES {
                error = .file(operation: "lock", path: path, errno: Errno(rawValue: errno))
            } else if let signal = interruption(milliseconds - waited) {
                error = .interrupted(by: signal, holder: holder(of: file))
            } else if waited >= milliseconds {
                error = .locked(by: holder(of: file))
            } else {
                let process = process(holding: file)
                if process != last { (last, waited) = (process, 0) }
                let interval = min(interval(after: total), max(1, milliseconds - waited))
                _ = poll(nil, 0, interval)
                waited += interval
                total = min(total + interval, 3_600_000)
                continue
            }
            // The reason to give up is the one that counts.
            try? file.close()
            throw error
        }
        return file
    }

    deinit {
        // Closing the file releases the lock.
        try? file.close()
    }

    private static func request() -> flock {
        var request = flock()
        request.l_type = Int16(F_WRLCK)
        request.l_whence = Int16(SEEK_SET)
        return request
    }

    private static func take(_ file: FileDescriptor) -> Bool {
        var request = request()
        return unsafe fcntl(file.rawValue, F_SETLK, &request) == 0
    }

    /// The process that holds the lock; `nil` when it has just finished.
    private static func process(holding file: FileDescriptor) -> Int32? {
        var request = request()
        guard unsafe fcntl(file.rawValue, F_GETLK, &request) == 0, request.l_type != Int16(F_UNLCK) else { return nil }
        return request.l_pid
    }

    private static func holder(of file: FileDescriptor) -> String {
        guard let process = process(holding: file) else { return "it has just finished; try again" }
        // It may have ended.
        let command = (try? FileTree().text("/proc/\(process)/comm")) ?? "?"
        return "\(command) (pid \(process))"
    }
}

/// A ``RecordLock`` that several owners can share: released with the last of them.
package final class HeldLock: Sendable {
    private let lock: RecordLock

    /// Takes the lock over.
    package init(_ lock: consuming RecordLock) {
        self.lock = lock
    }
}
