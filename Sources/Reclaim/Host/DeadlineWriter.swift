internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// Writes to the kernel with a deadline. Each write is made in a process of its own, which stays behind if it hangs.
struct DeadlineWriter {
    let tree: FileTree
    /// How long one write may take, in milliseconds.
    let deadline: Int32
    /// Called several times a second while a write has not returned.
    let tick: () -> Bool

    func write(_ value: String, to path: String) throws(FileTreeError) {
        var result = clinux_write()
        let error = unsafe withTick(tick) { tick in
            unsafe clinux_write_deadline(tree.enclosure, path, value, nil, nil, deadline, tick, &result)
        }
        try check(error, result, value, path)
    }

    /// Writes to a `rescan` file, and sets the function's driver override as soon as the function appears.
    func rescan(_ path: String, for address: PCIAddress, override: String) throws(FileTreeError) {
        var result = clinux_write()
        let error = unsafe withTick(tick) { tick in
            unsafe clinux_write_deadline(
                tree.enclosure, path, "1", KernelPath.driverOverride(address), override, deadline, tick, &result)
        }
        try check(error, result, "1", path)
    }

    private func check(
        _ error: CInt, _ result: clinux_write, _ value: String, _ path: String
    ) throws(FileTreeError) {
        let errno = Errno(rawValue: error != 0 ? error : result.error)
        guard errno.rawValue != 0 else { return }
        var failure = FileTreeError(.write, path, errno, value: value)
        if result.process != 0 {
            failure.stuckProcess = result.process
            let stuck = StuckProcess(result.process, afterMilliseconds: deadline)
            failure.detail = "it has not returned for \(stuck.text)"
        }
        throw failure
    }
}

/// Describes a process that did not return in time: for how long, its id, and where in the kernel it is.
struct StuckProcess {
    private let process: Int32
    private let milliseconds: Int32

    init(_ process: Int32, afterMilliseconds milliseconds: Int32) {
        self.process = process
        self.milliseconds = milliseconds
    }

    var text: String { "\(milliseconds / 1000) s (pid \(process))\(stack)" }

    /// The kernel stack. Root alone can read it, and only with CONFIG_STACKTRACE.
    private var stack: String {
        guard let stack = try? FileTree().text("/proc/\(process)/stack"), !stack.isEmpty else { return "" }
        return "; kernel stack: " + stack.split(separator: "\n").joined(separator: " ")
    }
}
