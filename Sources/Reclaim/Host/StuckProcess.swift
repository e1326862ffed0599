internal import KernelFiles

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
