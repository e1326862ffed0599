import Fixtures
import Foundation
import Testing
import Units

/// What systemctl is asked, and what is made of its answer: a script stands for it, which notes its words.
@Suite("Services")
struct ServicesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// - Parameter answer: What the script does after that.
    private func services(_ answer: String) throws -> Services {
        let path = "\(folder.path)/systemctl"
        try folder.write("#!/bin/sh\necho \"$@\" >>'\(folder.path)/words'\n\(answer)\n", to: "/systemctl")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return Services(SystemctlProgram(program: path, tick: {}))
    }

    private var words: [String] {
        get throws { try folder.text("/words").split(separator: "\n").map(String.init) }
    }

    @Test("A stop is waited for; a start is only where the caller says so")
    func calls() throws {
        let services = try services("exit 0")
        try services.stop("gdm.service")
        try services.start("gdm.service", waits: true)
        try services.start("gdm.service", waits: false)
        #expect(
            try words == [
                "--no-ask-password stop gdm.service", "--no-ask-password reset-failed gdm.service",
                "--no-ask-password start gdm.service", "--no-ask-password reset-failed gdm.service",
                "--no-ask-password start --no-block gdm.service",
            ])
    }

    @Test("What systemctl answers with another status has failed, with that status")
    func failing() throws {
        let services = try services("exit 5")
        #expect(throws: UnitError.failed(status: 5)) { try services.stop("gdm.service") }
        #expect(throws: UnitError.failed(status: 5)) { try services.start("gdm.service", waits: false) }
    }

    @Test(
        "A service is active unless it is inactive or failed",
        arguments: [
            ("active", true), ("activating", true), ("deactivating", true), ("inactive", false), ("failed", false),
        ])
    func states(_ state: String, _ isActive: Bool) throws {
        #expect(try services("echo ActiveState=\(state)").isActive("gdm.service") == isActive)
    }

    @Test("Without an answer nothing is known of a service, and a shutdown is told from the system's state")
    func answers() throws {
        #expect(throws: UnitError.self) { try services("echo").isActive("gdm.service") }
        #expect(try services("echo SystemState=stopping").isStopping())
        #expect(try !services("echo SystemState=running").isStopping())
        #expect(try services("echo SystemState=starting").isStarting())
        #expect(try services("echo SystemState=initializing").isStarting())
        #expect(try !services("echo SystemState=degraded").isStarting())
        #expect(throws: UnitError.self) { try services("echo").isStarting() }
    }

    @Test("A call that does not end in time is ended")
    func late() throws {
        let path = "\(folder.path)/sleeper"
        try folder.write("#!/bin/sh\nexec sleep 60\n", to: "/sleeper")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        var ticks = 0
        let program = SystemctlProgram(program: path, tick: { ticks += 1 })
        #expect(throws: UnitError.late(seconds: 1)) { try program.run(["stop", "gdm.service"], within: 1) }
        #expect(ticks == 5)
    }
}
