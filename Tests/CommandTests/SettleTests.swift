import Fixtures
import Testing

struct SettleTests {
    private func settle(_ address: String, exitStatus: String?) throws -> CommandLine.Result {
        let host = try FixtureHost { GPU("0000:01:00.0", class: 0x038000, group: 3) }
        return try CommandLine.run(
            ["settle", address, "--root", host.folder.path],
            environment: exitStatus.map { ["EXIT_STATUS": $0] } ?? [:])
    }

    @Test func `a card that came back before its guard had ended makes the unit start again`() throws {
        let result = try settle("0000:01:00.0", exitStatus: "5")
        #expect(result.status == 1)
        #expect(result.errors.contains("the card is back already"))
    }

    @Test(arguments: [nil, "0", "1", "3", "TERM"])
    func `after any other end, a card that is there is none of its business`(exitStatus: String?) throws {
        let result = try settle("0000:01:00.0", exitStatus: exitStatus)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
    }

    @Test func `a card that is gone for good is left to itself`() throws {
        #expect(try settle("0000:09:00.0", exitStatus: "5").status == 0)
    }
}
