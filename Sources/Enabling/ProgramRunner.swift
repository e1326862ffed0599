internal import CLinux
internal import Glibc
internal import SystemPackage

/// Runs programs of systemd, and the tools that make initramfs images.
package protocol ProgramRunner {
    /// Runs a program, whose output goes where this process's does, and waits until it ends. There is no deadline: an
    /// image takes minutes on a slow machine.
    /// - Parameter words: The program's path, and its arguments.
    /// - Returns: How it failed; `nil` when it succeeded.
    func run(_ words: [String]) -> String?
}

/// Runs the machine's own programs.
package struct MachinePrograms: ProgramRunner {
    package init() {}

    /// Starts the program in a process group of its own, without this process's blocked signals: Ctrl-C reaches this
    /// process alone, which then ends before its next step.
    package func run(_ words: [String]) -> String? {
        guard let program = words.first else { return "no program was named" }
        let arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let error = unsafe clinux_spawn(&process, program, arguments, environ, -1)
        guard error == 0 else { return "\(program) cannot be started: \(Errno(rawValue: error)) (errno \(error))" }
        var status: CInt = 0
        while unsafe waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { return "\(program) cannot be waited for (errno \(errno))" }
        }
        // WIFEXITED and WEXITSTATUS.
        if status & 0x7f != 0 { return "\(program) was ended by signal \(status & 0x7f)" }
        let code = status >> 8 & 0xff
        return code == 0 ? nil : "\(words.joined(separator: " ")) ended with status \(code)"
    }
}
