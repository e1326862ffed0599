import Fixtures
import Foundation

/// The built program, run as a person runs it.
struct CommandLine {
    struct Result {
        var status: Int32
        var output: String
        var errors: String

        /// The output as a JSON object.
        var object: [String: Any] {
            get throws {
                let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
                guard let object = value as? [String: Any] else { throw CocoaError(.coderReadCorrupt) }
                return object
            }
        }
    }

    /// The program stands beside the test bundle, which is this process.
    static var program: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "apertured")
    }

    static func run(_ arguments: String...) throws -> Result { try run(arguments) }

    /// Runs a line of a shell, in which `$0` is the program.
    static func shell(_ line: String) throws -> (status: Int32, errors: String) {
        let process = Process()
        let errors = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", line, program.path]
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// - Parameters:
    ///   - environment: Variables beside this process's own.
    ///   - user: The id of whom to run it as, which root alone may choose; this process's own without.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], asUser user: UInt32? = nil
    ) throws -> Result {
        let process = Process()
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = program
        process.arguments = arguments
        var copy: TemporaryFolder?
        if let user {
            // A folder on the way to the program may be closed to that user.
            let folder = try TemporaryFolder()
            copy = folder
            let path = "\(folder.path)/apertured"
            try FileManager.default.copyItem(atPath: program.path, toPath: path)
            for (place, mode) in [(folder.path, 0o755), (path, 0o755)] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: place)
            }
            process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
            process.arguments = ["--reuid=\(user)", "--regid=\(user)", "--clear-groups", path] + arguments
        }
        defer { withExtendedLifetime(copy) {} }
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // The errors fit a pipe's buffer: a few lines, so that reading one after the other cannot block.
        let outputData = output.fileHandleForReading.readDataToEndOfFile()
        let errorData = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let result = Result(
            status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
            errors: String(decoding: errorData, as: UTF8.self))
        if arguments.contains("--json"), !result.output.isEmpty {
            try Document.keep(result.output, of: arguments.contains("--dry-run") ? "plan" : arguments[0])
        }
        return result
    }
}

/// The documents that the tests produce, for schema/check.
enum Document {
    /// Saves a document of this verb in the folder that the environment names, if it names one.
    static func keep(_ text: String, of verb: String) throws {
        guard let folder = ProcessInfo.processInfo.environment["APERTURED_DOCUMENTS"] else { return }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try text.write(toFile: "\(folder)/\(verb).\(UUID()).json", atomically: true, encoding: .utf8)
    }
}
