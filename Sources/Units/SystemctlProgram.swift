internal import CLinux
internal import Glibc

/// Runs systemctl, which needs no libsystemd. Each call has a deadline.
package struct SystemctlProgram {
    private let program: String
    private let tick: (() -> Void)?
    /// Whether the program is systemctl itself.
    private let isOwn: Bool

    /// - Parameters:
    ///   - program: Replaces systemctl, for a test.
    ///   - tick: Called several times a second meanwhile.
    package init(program: String? = nil, tick: (() -> Void)? = nil) {
        self.program = program ?? "/usr/bin/systemctl"
        self.tick = tick
        isOwn = program == nil
    }

    /// Runs `systemctl WORDS`.
    /// - Parameter seconds: How long it may take. Then it is ended; the job that it waits for goes on without it.
    /// - Returns: What it prints, a few lines.
    package func run(_ words: [String], within seconds: Int32) throws(UnitError) -> String {
        // As sd_booted(3) decides it.
        guard unsafe !isOwn || access("/run/systemd/system", F_OK) == 0 else {
            throw .unreachable("systemd does not run here")
        }
        var ends: [CInt] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw .unreachable("cannot make a pipe: errno \(errno)") }
        defer { _ = close(ends[0]) }
        // Nothing waits for a reader that does not read: a few lines fit.
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let arguments: [UnsafeMutablePointer<CChar>?] =
            unsafe ([program, "--no-ask-password"] + words).map { unsafe strdup($0) } + [nil]
        // What it says of a failure names the unit alone. The caller says why.
        let settings = ["LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_LOG_LEVEL=emerg"]
        let environment: [UnsafeMutablePointer<CChar>?] = unsafe settings.map { unsafe strdup($0) } + [nil]
        defer { unsafe (arguments + environment).forEach { unsafe free($0) } }
        var process: pid_t = 0
        let error = unsafe clinux_spawn(&process, program, arguments, environment, ends[1])
        _ = close(ends[1])
        guard error == 0 else { throw .unreachable("cannot run \(program): errno \(error)") }
        var status: CInt = 0
        guard wait(for: process, milliseconds: seconds * 1000, &status) else {
            _ = kill(process, SIGKILL)
            while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
            throw .late(seconds: seconds)
        }
        // A process that a signal ended has the status 0 in these bits.
        guard status == 0 else { throw .failed(status: status & 0x7f == 0 ? (status >> 8) & 0xff : -1) }
        return Self.text(ends[0])
    }

    /// How long one wait for the process lasts, in milliseconds: ``tick`` is called after each.
    private static let piece: Int32 = 200

    private func wait(for process: pid_t, milliseconds: Int32, _ status: inout CInt) -> Bool {
        let nothing = unsafe clinux_tick(function: nil, context: nil)
        guard let tick else { return unsafe clinux_process_wait(process, milliseconds, nothing, &status) == 0 }
        var left = milliseconds
        while left > 0 {
            if unsafe clinux_process_wait(process, min(left, Self.piece), nothing, &status) == 0 { return true }
            left -= Self.piece
            tick()
        }
        return false
    }

    private static func text(_ descriptor: CInt) -> String {
        var bytes: [UInt8] = []
        while true {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
                count = max(0, unsafe read(descriptor, buffer.baseAddress, buffer.count))
            }
            if piece.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += piece
        }
    }
}
