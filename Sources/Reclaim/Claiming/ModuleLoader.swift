internal import Aperture
internal import CLinux
internal import Glibc

/// Runs modprobe with a deadline: loading a driver's module probes its devices, and a probe can hang.
package struct ModuleLoader {
    private let program: String
    private let deadline: Int32

    /// How long a process that is ended may take to go, in milliseconds, if the kernel lets it.
    private static let grace: Int32 = 1000

    /// - Parameters:
    ///   - program: Another one than modprobe, for a test.
    ///   - deadline: How long it may take, in milliseconds.
    package init(program: String? = nil, deadline: Int32) {
        self.program = program ?? KernelPath.modprobe
        self.deadline = deadline
    }

    package func load(_ module: String) throws(ModuleError) {
        let process = try start(module)
        var status: CInt = 0
        var error = unsafe clinux_process_wait(process, deadline, &status)
        if error == ETIMEDOUT {
            // A command of modprobe.d may hang outside the kernel, and can be ended.
            _ = kill(process, SIGKILL)
            error = unsafe clinux_process_wait(process, Self.grace, &status)
            let stuck = StuckProcess(process, afterMilliseconds: deadline)
            throw ModuleError(
                module: module,
                reason: error == ETIMEDOUT
                    ? "\(program) has not come back for \(stuck.text)"
                    : "\(program) did not end within \(deadline / 1000) s, and was ended",
                stuckProcess: error == ETIMEDOUT ? process : nil)
        }
        guard error == 0 else {
            throw ModuleError(module: module, reason: "\(program) cannot be waited for (errno \(error))")
        }
        // WIFEXITED and WEXITSTATUS.
        guard status & 0x7f == 0, status >> 8 & 0xff == 0 else {
            let how =
                status & 0x7f == 0 ? "ended with status \(status >> 8 & 0xff)" : "was ended by signal \(status & 0x7f)"
            throw ModuleError(module: module, reason: "\(program) \(how)")
        }
    }

    private func start(_ module: String) throws(ModuleError) -> pid_t {
        // The name never begins with a dash: it comes from the planner's own list.
        let words = [program, "--", module]
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        let environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
        var process: pid_t = 0
        let result = unsafe posix_spawn(&process, program, nil, nil, &arguments, environment)
        guard result == 0 else {
            throw ModuleError(
                module: module, reason: "\(program) cannot be started: \(unsafe String(cString: strerror(result)))")
        }
        return process
    }
}
