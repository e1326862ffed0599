import Foundation
package import Report

/// An archive of a report, unpacked by the system's tar.
package final class UnpackedReport: Sendable {
    private let folder: TemporaryFolder

    /// The folder for `--root`.
    package var path: String { "\(folder.path)/\(Survey.top)" }

    /// - Parameter archive: The path of a compressed archive.
    package init(_ archive: String) throws {
        folder = try TemporaryFolder()
        try Self.unpack(archive, folder.path)
    }

    /// The archive of these entries.
    package init(_ entries: [Archive.Entry]) throws {
        folder = try TemporaryFolder()
        try folder.write(Archive.bytes(of: entries, time: 1_700_000_000), to: "/report.tar")
        try Self.unpack("\(folder.path)/report.tar", folder.path)
        try folder.remove("/report.tar")
    }

    private static func unpack(_ archive: String, _ folder: String) throws {
        let tar = try Foundation.Process.run(
            URL(filePath: "/usr/bin/env"), arguments: ["tar", "-xf", archive, "-C", folder, "--no-same-owner"])
        tar.waitUntilExit()
        guard tar.terminationStatus == 0 else { throw CocoaError(.fileReadCorruptFile) }
    }

    /// Every file's content, and every link's target, below the folder, by path.
    package func contents() throws -> [String: String] {
        try TemporaryFolder.contents(below: path)
    }

    /// One file's text.
    package func text(_ name: String) throws -> String {
        try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
    }
}
