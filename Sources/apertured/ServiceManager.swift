internal import CLinux
internal import Glibc

/// Queries systemd through systemctl, which needs no libsystemd.
enum ServiceManager {
    private static let program = "/usr/bin/systemctl"

    /// Whether the system is shutting down. systemd then runs a unit's ExecStop= too, but nothing must be released: the
    /// host's drivers would take cards that are about to lose power. False without a service manager.
    static func isStopping() -> Bool {
        ask("is-system-running")?.hasPrefix("stopping") == true
    }

    /// A unit's properties by name; empty without a service manager, or when it does not answer.
    static func properties(_ names: [String], of unit: String) -> [String: String] {
        let lines = ask("show", "--property=\(names.joined(separator: ","))", unit)?.split(separator: "\n") ?? []
        return lines.reduce(into: [:]) { properties, line in
            guard let equals = line.firstIndex(of: "=") else { return }
            properties[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
    }

    /// The output of systemctl, a few lines; `nil` when systemd does not run, or systemctl cannot be started.
    private static func ask(_ words: String...) -> String? {
        var ends: [CInt] = [0, 0]
        guard unsafe access("/run/systemd/system", F_OK) == 0, unsafe pipe(&ends) == 0 else { return nil }
        defer { _ = close(ends[0]) }
        let arguments: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + words).map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let result = unsafe clinux_spawn(&process, program, arguments, environ, ends[1])
        _ = close(ends[1])
        guard result == 0 else { return nil }
        let answer = read(ends[0])
        var status: CInt = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return String(decoding: answer, as: UTF8.self)
    }

    private static func read(_ descriptor: CInt) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
                count = max(0, unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if piece.isEmpty { return bytes }
            bytes += piece
        }
    }
}
