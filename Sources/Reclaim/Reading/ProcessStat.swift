internal import KernelFiles

/// `/proc/PID/stat` (proc(5)).
package enum ProcessStat {
    /// The process's start time, field 22, in clock ticks since the boot; `nil` for a process that has ended, or is a
    /// zombie.
    package static func startTime(of process: Int32) -> UInt64? {
        guard let text = try? FileTree().text("/proc/\(process)/stat") else { return nil }
        // The second field is the command in parentheses, which may hold spaces and parentheses itself.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }
}
