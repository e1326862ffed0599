package import Aperture
internal import CLinux
internal import Glibc

/// systemd, through systemctl, which needs no libsystemd and is not confined with libvirt's daemon. Each call has a
/// deadline.
package struct Systemctl: UnitManager {
    private static let program = "/usr/bin/systemctl"
    /// For questions, in seconds.
    private static let patience: Int32 = 20
    /// For a start, in seconds: the device's job may take 30, and the unit's own start 90.
    private static let startPatience: Int32 = 150
    /// For a stop, in seconds: the unit's own stop may take 60, and the command after it as long.
    private static let stopPatience: Int32 = 150

    /// Makes no call yet.
    package init() {}

    package func isStopping() throws(UnitError) -> Bool {
        try run(["show", "--property=SystemState"], within: Self.patience).hasPrefix("SystemState=stopping")
    }

    package func state(of card: PCIAddress) throws(UnitError) -> UnitState {
        let output = try run(
            ["show", "--property=ActiveState,LoadState,StatusText", Self.unit(card)], within: Self.patience)
        let values = output.split(separator: "\n").reduce(into: [Substring: Substring]()) { values, line in
            guard let equals = line.firstIndex(of: "=") else { return }
            values[line[..<equals]] = line[line.index(after: equals)...]
        }
        guard let activity = values["ActiveState"], let loading = values["LoadState"] else {
            throw .unreachable("systemctl show does not tell the state of \(Self.unit(card))")
        }
        return UnitState(
            activity: String(activity), loading: String(loading), words: String(values["StatusText"] ?? ""))
    }

    package func start(_ card: PCIAddress) throws(UnitError) {
        // The unit has a limit of starts in two hours, which is meant for a unit that fails again and again at boot.
        // A unit that is not loaded has no failures, and cannot be reset.
        _ = try? run(["reset-failed", Self.unit(card)], within: Self.patience)
        _ = try run(["start", Self.unit(card)], within: Self.startPatience)
    }

    package func stop(_ card: PCIAddress) throws(UnitError) {
        _ = try run(["stop", Self.unit(card)], within: Self.stopPatience)
    }

    /// The name of a card's unit.
    static func unit(_ card: PCIAddress) -> String { "apertured@\(card).service" }

    /// - Returns: What systemctl prints, a few lines.
    private func run(_ words: [String], within seconds: Int32) throws(UnitError) -> String {
        guard unsafe access("/run/systemd/system", F_OK) == 0 else { throw .unreachable("systemd does not run here") }
        var ends: [CInt] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw .unreachable("cannot make a pipe: errno \(errno)") }
        defer { _ = close(ends[0]) }
        // Nothing waits for a reader that does not read: a few lines fit.
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let arguments: [UnsafeMutablePointer<CChar>?] =
            unsafe ([Self.program, "--no-ask-password"] + words).map { unsafe strdup($0) } + [nil]
        // What it says of a failure names the unit alone. The hook says why.
        let settings = ["LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_LOG_LEVEL=emerg"]
        let environment: [UnsafeMutablePointer<CChar>?] = unsafe settings.map { unsafe strdup($0) } + [nil]
        defer { unsafe (arguments + environment).forEach { unsafe free($0) } }
        var process: pid_t = 0
        let error = unsafe clinux_spawn(&process, Self.program, arguments, environment, ends[1])
        _ = close(ends[1])
        guard error == 0 else { throw .unreachable("cannot run \(Self.program): errno \(error)") }
        var status: CInt = 0
        let waited = unsafe clinux_process_wait(
            process, seconds * 1000, clinux_tick(function: nil, context: nil), &status)
        guard waited == 0 else {
            // It only waits for the job, which goes on without it.
            _ = kill(process, SIGKILL)
            while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
            throw .late(seconds: seconds)
        }
        // A process that a signal ended has the status 0 in these bits.
        guard status == 0 else { throw .failed(status: status & 0x7f == 0 ? (status >> 8) & 0xff : -1) }
        return Self.text(ends[0])
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
