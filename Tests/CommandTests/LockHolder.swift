import Foundation

/// A process that holds the lock of the machine below a root, until it is ended, or for some seconds.
final class LockHolder {
    private let process = Process()
    private let input = Pipe()

    /// Returns when the lock is held, or, where somebody else has it, when this one is about to wait for it.
    /// - Parameter inside: A folder in `/run/apertured` that has a lock of its own.
    init(root: String, inside: String = "", seconds: Int = 3600) throws {
        let folder = "\(root)/run/apertured\(inside)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let script = """
            import fcntl, os, select, sys
            os.umask(0o077)
            file = open(sys.argv[1], 'w')
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                print('held', flush=True)
            except OSError:
                print('waiting', flush=True)
                fcntl.lockf(file, fcntl.LOCK_EX)
            select.select([sys.stdin], [], [], int(sys.argv[2]))
            """
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, "\(folder)/lock", "\(seconds)"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        _ = output.fileHandleForReading.availableData
    }

    var pid: Int32 { process.processIdentifier }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
