import Enabling
import Fixtures
import Foundation
import Testing

/// systemd/apertured-generator: which units it replaces.
struct GeneratorTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../systemd/apertured-generator").standardized.path
    private static let names = [
        "0000:01:00.0", "0000:ff:1f.7", "10000:e1:00.0", "a0000:01:00.0", "100000:01:00.0", "1000000:01:00.0",
        "10000000:01:00.0", "02:00.0", "0000:0A:00.0", "0000:01:00", "0000:01:00.8", "0000:01:20.0", "00000:01:00.0",
        "000:01:00.0", "0000:01:00.0x", "x", "..-etc", "$(reboot)", "0000:01:00.0 ",
    ]

    @Test func `a unit whose name is no GPU's address fails at once, and no other is touched`() throws {
        let folder = try TemporaryFolder()
        for (index, name) in Self.names.enumerated() {
            let place = index % 2 == 0 ? "etc" : "run"
            let wants = "/\(place)/systemd/system/multi-user.target.wants"
            try folder.makeFolder(wants)
            try folder.symlink(
                "\(wants)/apertured@\(name).service", destination: "/usr/lib/systemd/system/apertured@.service")
        }
        try folder.makeFolder("/normal")
        let process = Process()
        process.executableURL = URL(filePath: Self.script)
        process.arguments = [folder.path + "/normal", folder.path + "/early", folder.path + "/late"]
        process.environment = ["PATH": "/usr/bin:/bin", "APERTURED_ROOT": folder.path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let made = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/normal")
        let wrong = Self.names.filter { !EnablementReader.isInstance($0) }
        #expect(Set(made) == Set(wrong.map { "apertured@\($0).service" }))
        for name in made {
            let text = try String(contentsOfFile: "\(folder.path)/normal/\(name)", encoding: .utf8)
            #expect(text.contains("exit 2"))
            #expect(!text.contains("Requires="))
            #expect(!text.contains("reboot"))
        }
    }

    @Test func `without an enabled unit it makes nothing`() throws {
        let folder = try TemporaryFolder()
        let process = Process()
        process.executableURL = URL(filePath: Self.script)
        process.arguments = [folder.path, folder.path, folder.path]
        process.environment = ["PATH": "/usr/bin:/bin", "APERTURED_ROOT": folder.path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try folder.contents().isEmpty)
    }
}
