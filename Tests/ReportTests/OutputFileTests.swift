import Fixtures
import Foundation
import Report
import Testing

struct OutputFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path) } }

    private func output(_ isNamedAtOnce: Bool, replaces: Bool = false) -> OutputFile {
        OutputFile(path: "\(folder.path)/it.gz", replaces: replaces, isNamedAtOnce: isNamedAtOnce)
    }

    private func unpacked() throws -> String {
        let (gzip, output) = (Foundation.Process(), Pipe())
        gzip.executableURL = URL(filePath: "/usr/bin/env")
        gzip.arguments = ["gzip", "-dc", "\(folder.path)/it.gz"]
        gzip.standardOutput = output
        try gzip.run()
        defer { gzip.waitUntilExit() }
        return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    @Test(arguments: [false, true]) func `the file is whole, its owner's alone, and the only one`(
        _ isNamedAtOnce: Bool
    ) throws {
        try output(isNamedAtOnce).write(Array("once\n".utf8))
        #expect(try unpacked() == "once\n")
        #expect(try names == ["it.gz"])
        let mode = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/it.gz")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        // It came between the first look and the end: it is not replaced.
        #expect(throws: ReportError.self) { try output(isNamedAtOnce).write(Array("twice\n".utf8)) }
        #expect(try unpacked() == "once\n")
        try output(isNamedAtOnce, replaces: true).write(Array("twice\n".utf8))
        #expect(try unpacked() == "twice\n")
        #expect(try names == ["it.gz"])
    }

    @Test func `more than a pipe holds is compressed too`() throws {
        let text = (0..<100_000).map { "\($0)\n" }.joined()
        try output(false).write(Array(text.utf8))
        #expect(try unpacked() == text)
    }
}
