internal import Aperture
internal import CLinux
internal import Glibc
internal import SystemPackage

/// Loads modules through modprobe, and unloads them one by one, with a deadline: loading a driver's module probes its
/// devices, unloading it removes it from them, and either can hang.
package struct ModuleLoader {
    private let program: String
    private let deadline: Int32
    private let tick: () -> Bool

    /// How long a process that is ended may take to go, in milliseconds, if the kernel lets it.
    private static let grace: Int32 = 1000

    /// - Parameters:
    ///   - program: Another one than modprobe, for a test.
    ///   - deadline: How long it may take, in milliseconds.
    ///   - tick: Called several times a second meanwhile.
    package init(program: String? = nil, deadline: Int32, tick: @escaping () -> Bool = { true }) {
        self.tick = tick
        self.program = program ?? KernelPath.modprobe
        self.deadline = deadline
    }

    package func load(_ module: String) throws(ModuleError) {
        // A name never begins with a dash: it comes from the planner's own lists.
        try run(["--", module], for: module)
    }

    /// This module and no other: `modprobe -r` would take along what it alone needed. One that is not loaded is no error.
    package func unload(_ module: String) throws(ModuleError) {
        var result = clinux_write()
        let error = unsafe withTick(tick) { unsafe clinux_unload_deadline(module, deadline, $0, &result) }
        let errno = Errno(rawValue: error != 0 ? error : result.error)
        guard errno.rawValue != 0, errno != .noSuchFileOrDirectory else { return }
        let reason =
            result.process == 0
            ? "\(errno) (errno \(errno.rawValue))"
            : "delete_module has not come back for \(StuckProcess(result.process, afterMilliseconds: deadline).text)"
        throw ModuleError(
            module: module, reason: reason, stuckProcess: result.process == 0 ? nil : result.process, isUnloading: true)
    }

    private func run(_ arguments: [String], for module: String) throws(ModuleError) {
        let failure = { (reason: String, stuck: Int32?) in
            ModuleError(module: module, reason: reason, stuckProcess: stuck)
        }
        let process: pid_t
        switch start(arguments) {
        case .success(let started): process = started
        case .failure(let error):
            throw failure("\(program) cannot be started: \(unsafe String(cString: strerror(error.rawValue)))", nil)
        }
        var status: CInt = 0
        var error = unsafe withTick(tick) { unsafe clinux_process_wait(process, deadline, $0, &status) }
        if error == ETIMEDOUT {
            // A command of modprobe.d may hang outside the kernel, and can be ended.
            _ = kill(process, SIGKILL)
            error = unsafe withTick(tick) { unsafe clinux_process_wait(process, Self.grace, $0, &status) }
            let stuck = StuckProcess(process, afterMilliseconds: deadline)
            throw failure(
                error == ETIMEDOUT
                    ? "\(program) has not come back for \(stuck.text)"
                    : "\(program) did not end within \(deadline / 1000) s, and was ended",
                error == ETIMEDOUT ? process : nil)
        }
        guard error == 0 else {
            throw failure("\(program) cannot be waited for (errno \(error))", nil)
        }
        // WIFEXITED and WEXITSTATUS.
        guard status & 0x7f == 0, status >> 8 & 0xff == 0 else {
            let how =
                status & 0x7f == 0 ? "ended with status \(status >> 8 & 0xff)" : "was ended by signal \(status & 0x7f)"
            throw failure("\(program) \(how)", nil)
        }
    }

    private func start(_ words: [String]) -> Result<pid_t, Errno> {
        let arguments: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + words).map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        let environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
        var process: pid_t = 0
        let result = unsafe clinux_spawn(&process, program, arguments, environment, -1)
        return result == 0 ? .success(process) : .failure(Errno(rawValue: result))
    }
}
/// A module that could not be loaded, or unloaded.
package struct ModuleError: Error, Hashable, Sendable {
    package let module: String
    package let reason: String
    /// The process that has not come back from the kernel: a driver's first probe of the card, or its last remove, may still
    /// go on.
    package let stuckProcess: Int32?
    package let isUnloading: Bool

    package init(module: String, reason: String, stuckProcess: Int32? = nil, isUnloading: Bool = false) {
        self.isUnloading = isUnloading
        self.module = module
        self.reason = reason
        self.stuckProcess = stuckProcess
    }
}

extension ModuleError: CustomStringConvertible {
    package var description: String { "cannot \(isUnloading ? "unload" : "load") module \(module): \(reason)" }
}
