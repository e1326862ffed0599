internal import Aperture
internal import Glibc
internal import Guard
internal import Reclaim

/// The last line of a terminal, which says what is waited for and counts down. It is rewritten in place, and removed
/// before any other line is written.
///
/// It never delays the work. It appears only when something takes longer than ``delay``, it is written between two looks
/// at what is waited for, and without waiting for the terminal, which a person may have stopped (Ctrl-S).
package final class ProgressLine {
    /// What is waited for.
    package struct Wait {
        /// The GPU, or nothing.
        let subject: String?
        /// What must come, in words that follow "waiting 3 s more for".
        let what: String
        /// When it began and when it ends at the latest, in milliseconds of CLOCK_MONOTONIC.
        let begin: Int64
        var end: Int64

        /// A wait with a name.
        /// - Parameters:
        ///   - subject: The GPU, or nothing.
        ///   - what: What must come, in words that follow "waiting 3 s more for".
        ///   - begin: In milliseconds of CLOCK_MONOTONIC.
        ///   - end: When it ends at the latest.
        package init(subject: String?, what: String, begin: Int64, end: Int64) {
            self.subject = subject
            self.what = what
            self.begin = begin
            self.end = end
        }
    }

    /// How long something takes before the line appears, in milliseconds.
    private static let delay: Int64 = 1000

    /// How long one write may take, in milliseconds.
    private let writeDeadline: Int32
    /// How long the last close of a framebuffer is waited for, in milliseconds.
    var closeDeadline: Int32 = 10_000
    private var wait: Wait?
    /// The time of the last ``tick()``.
    private var last: Int64 = 0
    private var shown: String?
    /// The terminal, opened again by its name: a write to it returns at once. Negative where there is none.
    private lazy var terminal = Self.open()

    init(writeDeadline: Int32) { self.writeDeadline = writeDeadline }

    // MARK: - What is waited for

    /// Names what is waited for from now on, if the event begins a step.
    func follow(_ event: ClaimEvent, of gpu: PCIAddress) {
        switch event {
        case .stepping(let step), .undoing(let step): begin(step, gpu)
        default: end()
        }
    }

    private func begin(_ step: PlanStep, _ gpu: PCIAddress) {
        switch step.effect {
        case .wait(_, let node): begin("the last close of \(node)", about: "\(gpu)", milliseconds: closeDeadline)
        case .awaitClose: begin("the last close of \(step.target)", about: "\(gpu)", milliseconds: 30_000)
        case .stop, .start: begin("systemd: \(step.value)", about: "\(gpu)", milliseconds: 60_000)
        default:
            begin("the kernel: \(step.action.rawValue) \(step.target)", about: "\(gpu)", milliseconds: writeDeadline)
        }
    }

    /// Names what is waited for from now on.
    func begin(_ what: String, about subject: String? = nil, milliseconds: Int32) {
        clear()
        let now = GuardLoop.now
        wait = Wait(subject: subject, what: what, begin: now, end: now + Int64(milliseconds))
    }

    /// Nothing that has a name is waited for any more.
    func end() {
        clear()
        wait = nil
    }

    /// Shows the line, if its time has come. Whatever waits calls this several times a second.
    func tick() {
        let now = GuardLoop.now
        // What waits without a name is a read: every write and every other wait has one.
        let isNew = wait == nil || wait?.what == Self.lock || wait?.what == Self.reading && last + Self.delay < now
        if isNew { begin(Self.reading, milliseconds: SnapshotReader.standardDeadline) }
        last = now
        show(at: now)
    }

    private static let reading = "the kernel to let the machine be read"

    /// As ``tick()``, for another run of apertured. Each that is ahead has all of the time.
    func tickLocked(left milliseconds: Int32) {
        if wait?.what != Self.lock { begin(Self.lock, milliseconds: milliseconds) }
        let now = GuardLoop.now
        wait?.end = now + Int64(milliseconds)
        show(at: now)
    }

    private static let lock = "another apertured, which is at work"

    private func show(at now: Int64) {
        guard let wait, now >= wait.begin + Self.delay, terminal >= 0 else { return }
        let line = Self.line(wait, at: now, columns: Self.columns(terminal))
        guard line != shown else { return }
        shown = line
        put("\r\(line)\u{1b}[K")
    }

    /// Removes the line from the terminal, until the next ``tick()``.
    func clear() {
        guard shown != nil else { return }
        shown = nil
        put("\r\u{1b}[K")
    }

    // MARK: - The line

    /// The line without its ends: it fits the columns but one, as a terminal may wrap a full line.
    package static func line(_ wait: Wait, at now: Int64, columns: Int) -> String {
        let seconds = max(0, wait.end - now + 999) / 1000
        let subject = wait.subject.map { "\($0): " } ?? ""
        let text = "apertured: \(subject)waiting \(seconds) s more for \(wait.what)"
        // One column for each character: others than these may have two.
        let plain = text.unicodeScalars.map { (" "..."~").contains($0) ? Character($0) : "?" }
        return String(plain.prefix(max(0, columns - 1)))
    }

    // MARK: - The terminal

    /// The standard error, if a line can be rewritten there.
    private static func open() -> CInt {
        guard isatty(STDERR_FILENO) == 1, let kind = unsafe getenv("TERM"), unsafe strcmp(kind, "dumb") != 0,
            unsafe kind.pointee != 0
        else { return -1 }
        // Opened anew, as O_NONBLOCK would otherwise also be the shell's, which has the same open file.
        return unsafe Glibc.open("/proc/self/fd/\(STDERR_FILENO)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    }

    /// Whether this process may write to the terminal: a shell may stop a process that does so in the background. A
    /// terminal that is not this process's own has no such rule.
    private static func isForeground(_ terminal: CInt) -> Bool {
        let group = tcgetpgrp(terminal)
        return group < 0 || group == getpgrp()
    }

    private static func columns(_ terminal: CInt) -> Int {
        let size = Terminal.size(of: terminal)
        return size.flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil } ?? 80
    }

    private func put(_ text: String) {
        guard Self.isForeground(terminal) else { return }
        let bytes = Array(text.utf8)
        // The line is a help: it is not worth a wait, nor an error.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(terminal, $0.baseAddress, $0.count) }
    }
}
