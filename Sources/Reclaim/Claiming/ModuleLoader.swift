internal import Aperture
internal import Glibc

/// Runs modprobe.
enum ModuleLoader {
    static func load(_ module: String) throws(ModuleError) {
        // The name never begins with a dash: it comes from the planner's own list.
        let arguments = [KernelPath.modprobe, "--", module]
        var process: pid_t = 0
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe pointers.forEach { unsafe free($0) } }
        let environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
        let result = unsafe posix_spawn(&process, KernelPath.modprobe, nil, nil, &pointers, environment)
        guard result == 0 else {
            throw ModuleError(
                module: module,
                reason: "\(KernelPath.modprobe) cannot be started: \(unsafe String(cString: strerror(result)))")
        }
        var status: CInt = 0
        while unsafe waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else {
                throw ModuleError(
                    module: module, reason: "\(KernelPath.modprobe) cannot be waited for (errno \(errno))")
            }
        }
        // WIFEXITED and WEXITSTATUS.
        guard status & 0x7f == 0, status >> 8 & 0xff == 0 else {
            throw ModuleError(module: module, reason: "\(KernelPath.modprobe) ended with status \(status >> 8 & 0xff)")
        }
    }
}
