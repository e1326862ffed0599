internal import Glibc

/// Whether the system is going down. A unit's ExecStop= runs then too, and nothing must be released: the host's drivers
/// would take cards that are about to lose their power.
enum ShutdownCheck {
    private static let program = "/usr/bin/systemctl"

    /// Asks the service manager; false where there is none.
    static func isStopping() -> Bool {
        var ends: [CInt] = [0, 0]
        guard unsafe access("/run/systemd/system", F_OK) == 0, unsafe pipe(&ends) == 0 else { return false }
        defer { _ = close(ends[0]) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        unsafe posix_spawn_file_actions_addclose(&actions, ends[0])
        var arguments: [UnsafeMutablePointer<CChar>?] =
            unsafe ([program, "is-system-running"] as [String]).map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let result = unsafe posix_spawn(&process, program, &actions, nil, &arguments, environ)
        _ = close(ends[1])
        guard result == 0 else { return false }
        let answer = unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = max(0, unsafe read(ends[0], buffer.baseAddress, buffer.count))
        }
        var status: CInt = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return String(decoding: answer, as: UTF8.self).hasPrefix("stopping")
    }
}
