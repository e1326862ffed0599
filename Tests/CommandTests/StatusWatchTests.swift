import Aperture
import Fixtures
import Foundation
import Record
import Testing

/// `status --watch`, which runs until a signal ends it.
@Suite("Watching the status")
struct StatusWatchTests {
    /// The program at work, with its output line by line.
    private final class Watch {
        private let process = Process()
        private let output = Pipe()
        private var rest = Data()

        init(_ arguments: [String]) throws {
            process.executableURL = CommandLine.program
            process.arguments = ["status", "--watch"] + arguments
            process.standardOutput = output
            process.standardInput = FileHandle.nullDevice
            try process.run()
        }

        /// The next line; `nil` at the end of the output. It waits.
        func line() -> String? {
            while true {
                if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    defer { rest = Data(rest[rest.index(after: end)...]) }
                    return String(decoding: rest[..<end], as: UTF8.self)
                }
                let piece = output.fileHandleForReading.availableData
                if piece.isEmpty { return nil }
                rest += piece
            }
        }

        /// Goes away as a reader.
        func stopReading() throws { try output.fileHandleForReading.close() }

        /// Waits until it ends by itself.
        func wait() -> Int32 {
            process.waitUntilExit()
            return process.terminationStatus
        }

        /// Ends it as `kill` does.
        /// - Returns: The exit status, or the signal's number if that ended it.
        func end() -> Int32 {
            process.terminate()
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    private static func states(_ line: String?) throws -> [String] {
        let line = try #require(line)
        try Document.keep(line, of: "status")
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let rows = try #require(object?["gpus"] as? [[String: Any]])
        return rows.compactMap { $0["state"] as? String }
    }

    @Test("A record that comes or goes is one more document on a line, and SIGTERM ends it with status 0")
    func records() throws {
        let address = try #require(PCIAddress("0000:01:00.0"))
        let host = try FixtureHost { GPU("0000:01:00.0", driver: "vfio-pci") }
        // A machine has /run.
        try host.folder.makeFolder("/run")
        let watch = try Watch(["--json", "--root", host.folder.path])
        #expect(try Self.states(watch.line()) == ["vfio"])
        let none = PriorState(functions: [], framebuffers: [], consoles: [])
        try host.save(ClaimRecord(gpu: address, state: .claimed, prior: none, start: none))
        #expect(try Self.states(watch.line()) == ["claimed"])
        try host.removeRecord(of: address)
        #expect(try Self.states(watch.line()) == ["vfio"])
        #expect(watch.end() == 0)
    }

    @Test("It ends when nobody reads its output any more, though nothing changes")
    func reader() throws {
        let host = try FixtureHost { GPU("0000:01:00.0", driver: "vfio-pci") }
        let watch = try Watch(["--root", host.folder.path])
        #expect(watch.line()?.hasPrefix("ADDRESS") == true)
        try watch.stopReading()
        #expect(watch.wait() == 0)
    }

    @Test("In a pipe each table follows an empty line")
    func tables() throws {
        let address = try #require(PCIAddress("0000:01:00.0"))
        let host = try FixtureHost { GPU("0000:01:00.0", driver: "vfio-pci") }
        // A machine has /run.
        try host.folder.makeFolder("/run")
        let watch = try Watch(["--root", host.folder.path])
        #expect(watch.line()?.hasPrefix("ADDRESS") == true)
        #expect(watch.line()?.contains(" vfio ") == true)
        let none = PriorState(functions: [], framebuffers: [], consoles: [])
        try host.save(ClaimRecord(gpu: address, state: .claimed, prior: none, start: none))
        #expect(watch.line() == "")
        #expect(watch.line()?.hasPrefix("ADDRESS") == true)
        #expect(watch.line()?.contains(" claimed ") == true)
        #expect(watch.end() == 0)
    }
}
