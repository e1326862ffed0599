internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// Writes to the kernel with a deadline, in a process that may be left behind.
struct DeadlineWriter {
    let tree: FileTree
    /// In milliseconds.
    let deadline: Int32
    /// Called several times a second while a write does not come back.
    let tick: () -> Bool

    func write(_ value: String, to path: String) throws(FileTreeError) {
        var result = clinux_write()
        let error = unsafe withTick(tick) { tick in
            unsafe clinux_write_deadline(tree.enclosure, path, value, nil, nil, deadline, tick, &result)
        }
        try check(error, result, value, path)
    }

    /// Writes to a `rescan` file while the function's override is set as soon as it appears.
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
            failure.detail = "it has not come back for \(stuck.text)"
        }
        throw failure
    }
}
