import Fixtures
import Foundation
import Testing

/// `make install` writes the commit into the program.
@Suite("The commit in the program", .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/objcopy")))
struct StampTests {
    private static let packaging = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../packaging").standardized

    /// What `--version` says after packaging/stamp, in an archive whose packaging/commit has these lines.
    private func version(_ lines: [String]) throws -> String {
        let folder = try TemporaryFolder()
        try folder.makeFolder("/packaging")
        let files = FileManager.default
        try files.copyItem(
            atPath: Self.packaging.appending(path: "stamp").path, toPath: "\(folder.path)/packaging/stamp")
        try folder.write((["# The commit"] + lines).map { "\($0)\n" }.joined(), to: "/packaging/commit")
        let program = "\(folder.path)/apertured"
        try files.copyItem(atPath: CommandLine.program.path, toPath: program)
        #expect(try run("\(folder.path)/packaging/stamp", "0.1.0", program) == "")
        return try run(program, "--version")
    }

    private func run(_ words: String...) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }

    private static let commit = ["commit 3d0d71b5bcf0a9a1f9d8f5dbb5cbf3d7f3a0e1c2", "time 1795737600"]

    @Test(
        "A build between two versions names its commit and the commit's day, and a release does not",
        arguments: [
            (commit + ["tag v0.1.0-3-g3d0d71b"], " (3d0d71b, 2026-11-27)"),
            // The next version has no tag yet, or no version has one.
            (commit + ["tag v0.0.9"], " (3d0d71b, 2026-11-27)"), (commit + ["tag "], " (3d0d71b, 2026-11-27)"),
            // An older git leaves what it does not know as it is.
            (commit + ["tag $Format:%(describe:tags=true)$"], " (3d0d71b, 2026-11-27)"),
            (commit + ["tag v0.1.0"], ""),
            // Neither an archive nor a checkout.
            (["commit $Format:%H$", "time $Format:%ct$", "tag $Format:%(describe)$"], ""),
        ])
    func stamp(_ lines: [String], _ suffix: String) throws {
        #expect(try version(lines) == "apertured 0.1.0\(suffix)\n")
    }
}
