import Aperture
import Fixtures
import Reclaim
import Record
import Testing

struct PostStopTests {
    private func postStop(_ address: String, exitStatus: String?) throws -> CommandLine.Result {
        let host = try FixtureHost { GPU("0000:01:00.0", class: 0x038000, group: 3) }
        return try CommandLine.run(
            ["post-stop", address, "--root", host.folder.path],
            environment: exitStatus.map { ["EXIT_STATUS": $0] } ?? [:])
    }

    @Test func `a card that came back before its guard had ended makes the unit start again`() throws {
        let result = try postStop("0000:01:00.0", exitStatus: "5")
        #expect(result.status == 1)
        #expect(result.errors.contains("the card is back already"))
    }

    @Test(arguments: [nil, "0", "1", "3", "TERM"])
    func `after any other end, a card that is there is none of its business`(exitStatus: String?) throws {
        let result = try postStop("0000:01:00.0", exitStatus: exitStatus)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
    }

    /// A claim that a run of the program can give back in a tree where no kernel unbinds anything.
    private func standingClaim() throws -> FixtureHost {
        let host = try FixtureHost { GPU("0000:01:00.0", class: 0x038000, group: 3) }
        let address = try #require(PCIAddress("0000:01:00.0"))
        _ = try Claimer(host: host).claim(address)
        #expect(try host.recorded() == [address])
        try host.write("0000:01:00.0", to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        return host
    }

    @Test func `the claim of a start that was stopped before it was ready is given back`() throws {
        let host = try standingClaim()
        let result = try CommandLine.run(
            ["post-stop", "0000:01:00.0", "--root", host.folder.path], environment: ["SERVICE_RESULT": "success"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("released"))
        #expect(try host.recorded().isEmpty)
        #expect(try host.attribute("/sys/bus/pci/devices/0000:01:00.0/driver_override") == nil)
    }

    @Test(arguments: [nil, "watchdog", "signal", "exit-code", "timeout"])
    func `after a failure the claim stands, for the next start`(result: String?) throws {
        let host = try standingClaim()
        let result = try CommandLine.run(
            ["post-stop", "0000:01:00.0", "--root", host.folder.path],
            environment: result.map { ["SERVICE_RESULT": $0] } ?? [:])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try host.recorded().count == 1)
        #expect(try host.attribute("/sys/bus/pci/devices/0000:01:00.0/driver_override") == "vfio-pci")
    }

    @Test func `with apertured=off nothing is given back`() throws {
        let host = try standingClaim()
        try host.folder.write("quiet apertured=off\n", to: "/proc/cmdline")
        let result = try CommandLine.run(
            ["post-stop", "0000:01:00.0", "--root", host.folder.path], environment: ["SERVICE_RESULT": "success"])
        #expect(result.status == 0)
        #expect(try host.recorded().count == 1)
    }

    @Test func `the claim of a card that was replaced goes with it`() throws {
        let host = try standingClaim()
        let address = try #require(PCIAddress("0000:01:00.0"))
        var record = try #require(try host.record(of: address))
        record.device = record.device.map { $0 + 1 }
        try host.save(record)
        let result = try CommandLine.run(
            ["post-stop", "0000:01:00.0", "--root", host.folder.path], environment: ["SERVICE_RESULT": "exit-code"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try host.recorded().isEmpty)
        #expect(try host.attribute("/sys/bus/pci/devices/0000:01:00.0/driver_override") == "vfio-pci")
    }

    @Test func `a card that is gone for good is left to itself`() throws {
        #expect(try postStop("0000:09:00.0", exitStatus: "5").status == 0)
    }
}
