import Foundation
import Testing

/// The built program in a pseudo-terminal, with the standard error as its screen.
enum PseudoTerminal {
    struct Result {
        var status: Int32
        /// What came out, byte for byte, with the line discipline's carriage returns.
        var text: String
    }

    /// The script runs the program in a session of its own, as a shell's terminal would.
    private static let script = """
        import fcntl, os, pty, struct, sys, termios
        columns, program = int(sys.argv[1]), sys.argv[2:]
        process, terminal = pty.fork()
        if process == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
            os.execv(program[0], program)
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            os.write(1, piece)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        """

    static func run(_ arguments: [String], columns: Int, terminal: String = "xterm") throws -> Result {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, "\(columns)", CommandLine.program.path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["TERM": terminal]) { $1 }
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Result(status: process.terminationStatus, text: String(decoding: data, as: UTF8.self))
    }

    /// What stays on a screen of so many columns, and each line that stood there before it was removed or rewritten.
    static func screen(_ text: String, columns: Int) throws -> (lines: [String], rewritten: [String]) {
        var lines = [""]
        var rewritten: [String] = []
        var rest = Array(text.unicodeScalars)[...]
        var column = 0
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\n": lines.append("")
            case "\r":
                // The line discipline puts one before each line feed.
                if rest.first != "\n", column > 0 { rewritten.append(lines[lines.count - 1]) }
                column = 0
            case "\u{1b}":
                try #require(rest.starts(with: ["[", "K"]), "no other sequence is used")
                rest = rest.dropFirst(2)
                lines[lines.count - 1] = String(lines[lines.count - 1].prefix(column))
            default:
                if column == columns {
                    lines.append("")
                    column = 0
                }
                lines[lines.count - 1] =
                    lines[lines.count - 1].prefix(column) + String(scalar)
                    + lines[lines.count - 1].dropFirst(column + 1)
                column += 1
            }
        }
        return (lines, rewritten)
    }
}
