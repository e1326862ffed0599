internal import Aperture
internal import CLinux
internal import Glibc
internal import SystemPackage

/// Loads and unloads kernel modules with a deadline. Loading a driver's module probes its devices, unloading it unbinds
/// them, and both can hang.
package struct ModuleLoader {
    private let program: String
    /// Where the modules are: the folder above `lib/modules`; `nil` for this process's own root.
    private let root: String?
    private let deadline: Int32
    private let tick: () -> Bool

    /// How long to wait for a killed process to end, in milliseconds.
    private static let grace: Int32 = 1000

    /// - Parameters:
    ///   - program: Replaces modprobe, for a test.
    ///   - root: The folder above `lib/modules` and `etc/modprobe.d`; `nil` for this process's own root.
    ///   - deadline: How long one call may take, in milliseconds.
    ///   - tick: Called several times a second meanwhile.
    package init(
        program: String? = nil, root: String? = nil, deadline: Int32, tick: @escaping () -> Bool = { true }
    ) {
        self.root = root
        self.tick = tick
        self.program = program ?? KernelPath.modprobe
        self.deadline = deadline
    }

    /// Loads the module with its dependencies: `modprobe [-d ROOT] -- MODULE`.
    package func load(_ module: String) throws(ModuleError) {
        try run((root.map { ["-d", $0] } ?? []) + ["--", module], for: module)
    }

    /// Unloads this module alone: `modprobe -r` would also unload the modules that it needs. A module that is not
    /// loaded is no error.
    package func unload(_ module: String) throws(ModuleError) {
        var result = clinux_write()
        let error = unsafe withTick(tick) { unsafe clinux_unload_deadline(module, deadline, $0, &result) }
        let errno = Errno(rawValue: error != 0 ? error : result.error)
        guard errno.rawValue != 0, errno != .noSuchFileOrDirectory else { return }
        let reason =
            result.process == 0
            ? "\(errno) (errno \(errno.rawValue))"
            : "delete_module has not returned for \(StuckProcess(result.process, afterMilliseconds: deadline).text)"
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
            // A command from modprobe.d may hang outside the kernel, where it can be killed.
            _ = kill(process, SIGKILL)
            error = unsafe withTick(tick) { unsafe clinux_process_wait(process, Self.grace, $0, &status) }
            let stuck = StuckProcess(process, afterMilliseconds: deadline)
            throw failure(
                error == ETIMEDOUT
                    ? "\(program) has not returned for \(stuck.text)"
                    : "\(program) did not end within \(deadline / 1000) s, and was killed",
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
/// A module that could not be loaded or unloaded.
package struct ModuleError: Error, Hashable, Sendable {
    /// The module's name.
    package let module: String
    /// Why it failed, for a person.
    package let reason: String
    /// The id of the process that is stuck in the kernel, perhaps in a driver's probe or remove of the card; `nil` when
    /// there is none.
    package let stuckProcess: Int32?
    /// Whether the module was to be unloaded, not loaded.
    package let isUnloading: Bool

    /// - Parameter stuckProcess: The id of the process that is stuck in the kernel.
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
