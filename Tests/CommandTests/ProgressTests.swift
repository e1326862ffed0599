import Fixtures
import Foundation
import Testing
import apertured

private let gpu = "0000:01:00.0"

/// What a terminal shows while something takes long, and what nobody else gets to see.
@Suite("Progress at a terminal")
struct ProgressTests {
    /// A framebuffer whose driver is gone, and whose node a process never closes.
    private static func held() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, class: 0x038000, group: 3)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, isBound: false, parent: gpu)
            Line(0xc000_0000...0xc03e_7fff, "efifb")
            Fixtures.Process(700, "Xorg", holds: "/dev/fb0")
        }
    }

    /// Commands that wait for three seconds, and what they say that they wait for.
    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let words: [String]
        let waitsFor: String
        let status: Int32
    }

    private static let close = Row(
        testDescription: "the last close", words: ["claim", gpu, "--wait", "3", "--no-verify"],
        waitsFor: "apertured: \(gpu): waiting 2 s more for the last close of /dev/fb0", status: 1)
    private static let lock = Row(
        testDescription: "another run", words: ["release", gpu, "--lock-wait", "3"],
        waitsFor: "apertured: waiting 2 s more for another apertured, which is at work", status: 3)
    private static let write = Row(
        testDescription: "a write that hangs", words: ["claim", gpu, "--write-deadline", "3", "--no-verify"],
        waitsFor: "apertured: \(gpu): waiting 2 s more for the kernel: unbind-framebuffer efi-framebuffer.0", status: 1)

    /// Runs the row's command on its machine.
    private func run<Result>(_ row: Row, _ work: ([String]) throws -> Result) throws -> Result {
        let host: FixtureHost
        switch row.testDescription {
        case "a write that hangs":
            host = try FixtureHost {
                GPU(gpu, class: 0x038000, group: 3)
                FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu)
            }
            // Nobody reads from the pipe.
            let path = "/sys/bus/platform/drivers/efi-framebuffer/unbind"
            try host.folder.remove(path)
            try #require(unsafe mkfifo(host.folder.path + path, 0o600) == 0)
        default: host = try Self.held()
        }
        var holder: LockHolder?
        if row.words[0] == "release" { holder = try LockHolder(root: host.folder.path) }
        defer { holder?.end() }
        return try work(row.words + ["--root", host.folder.path])
    }

    @Test(
        "A line counts down, fits the terminal, and is gone at the end", arguments: [close, lock, write], [60, 80, 120])
    func counts(_ row: Row, _ columns: Int) throws {
        let result = try run(row) { try PseudoTerminal.run($0, columns: columns) }
        #expect(result.status == row.status, "\(result.text)")
        let (lines, rewritten) = try PseudoTerminal.screen(result.text, columns: columns)
        #expect(rewritten.contains(String(row.waitsFor.prefix(columns - 1))), "\(rewritten)")
        #expect(rewritten.allSatisfy { $0.count < columns }, "\(rewritten)")
        #expect(rewritten.allSatisfy { $0.contains(": waiting ") }, "nothing else is rewritten: \(rewritten)")
        #expect(!lines.contains { $0.contains("waiting") }, "\(lines)")
    }

    @Test("A pipe gets the same lines without it", arguments: [close, lock, write])
    func pipe(_ row: Row) throws {
        let result = try run(row) { try CommandLine.run($0) }
        #expect(result.status == row.status, "\(result.errors)")
        #expect(
            !result.errors.contains("waiting") && !result.errors.contains("\r") && !result.errors.contains("\u{1b}"))
    }

    @Test("A terminal that cannot rewrite a line gets none of it, nor does who wants errors alone")
    func dumb() throws {
        let dumb = try run(Self.close) { try PseudoTerminal.run($0, columns: 80, terminal: "dumb") }
        #expect(dumb.status == 1 && !dumb.text.contains("waiting") && !dumb.text.contains("\u{1b}"))
        let quiet = try run(Self.close) { try PseudoTerminal.run($0 + ["--quiet"], columns: 80) }
        #expect(quiet.status == 1 && !quiet.text.contains("waiting") && !quiet.text.contains("\u{1b}"))
    }

    @Test(
        "The line is cut to fit, with a column left",
        arguments: [(0, ""), (1, ""), (2, "a"), (20, "apertured: 0000:01:"), (60, nil), (500, nil)] as [(Int, String?)])
    func line(_ columns: Int, _ cut: String?) {
        let wait = ProgressLine.Wait(subject: gpu, what: "é\u{1b}\n", begin: 0, end: 2001)
        #expect(
            ProgressLine.line(wait, at: 0, columns: columns) == cut ?? "apertured: \(gpu): waiting 3 s more for ???")
        #expect(ProgressLine.line(wait, at: 2001, columns: 500).contains("waiting 0 s more"))
        #expect(ProgressLine.line(wait, at: 9000, columns: 500).contains("waiting 0 s more"))
    }
}
