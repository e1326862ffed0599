import Aperture
import Fixtures
import Record
import Testing

/// The table and the maps of `status`, as a person sees them.
@Suite("The status on a terminal")
struct StatusTableTests {
    private static func machine() throws -> FixtureHost {
        try FixtureHost {
            GPU(
                "0000:01:00.0", class: 0x030000, bars: [BAR(0, 0xc000_0000...0xc0ff_ffff)], driver: "nouveau",
                bootVGA: true, group: 12)
            GPU("0000:02:00.0", bars: [.wide(0, 0x20_0000_0000...0x2f_ffff_ffff)], driver: "vfio-pci", group: 3)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
        }
    }

    private func lines(_ columns: Int?, _ arguments: String...) throws -> [Substring] {
        let host = try Self.machine()
        let result = try CommandLine.run(
            ["status", "--root", host.folder.path] + arguments,
            environment: ["COLUMNS": columns.map { "\($0)" } ?? ""])
        return result.output.split(separator: "\n")
    }

    @Test("Each line fits, and an address, a driver and a state are never cut", arguments: [60, 72, 80, 100, 120, 200])
    func fits(_ columns: Int) throws {
        let lines = try lines(columns)
        #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
        let cards = lines.filter { $0.hasPrefix("0000:") }
        #expect(cards.map { $0.prefix(12) } == ["0000:01:00.0", "0000:02:00.0"])
        for word in ["nouveau", "framebuffer"] { #expect(cards.first?.contains(word) == true) }
        for word in ["vfio-pci  ", "vfio"] { #expect(cards.last?.contains(word) == true) }
        // Beside the state, or on a line of its own.
        #expect(lines.contains { $0.hasSuffix("BAR 0: efifb") })
        #expect(lines.count == (columns == 60 ? 4 : 3))
        #expect(lines[0].contains("CLASS") == (columns >= 100))
    }

    @Test("In a pipe every column is there, whatever the terminal")
    func pipe() throws {
        let header = try #require(try lines(nil).first)
        let columns = header.split(separator: " ")
        #expect(columns == ["ADDRESS", "NAME", "CLASS", "BOOT", "DRIVER", "GROUP", "STATE", "DETAILS"])
    }

    /// Three GPUs on vfio-pci: one with a record and free, one that a guest has, and a virtual function.
    private static func claimed(proof: ClaimRecord.Proof?) throws -> FixtureHost {
        let host = try FixtureHost {
            GPU("0000:01:00.0", driver: "vfio-pci", group: 1)
            GPU(
                "0000:03:10.0", bars: [BAR(0, 0xd100_0000...0xd1ff_ffff)], driver: "vfio-pci", group: 5,
                physicalFunction: "0000:04:00.0")
            GPU("0000:03:11.0", bars: [BAR(0, 0xd200_0000...0xd2ff_ffff)], driver: "i915", group: 6)
            GPU("0000:04:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "vfio-pci", group: 4)
            Process(4242, "qemu-system-x86", holds: "/dev/vfio/4")
        }
        let none = PriorState(functions: [], framebuffers: [], consoles: [])
        var record = ClaimRecord(
            gpu: try #require(PCIAddress("0000:01:00.0")), state: .claimed, prior: none, start: none)
        (record.since, record.proof) = (1_790_000_000, proof)
        record.unit = "apertured@0000:01:00.0.service"
        try host.save(record)
        return host
    }

    private func lines(of host: FixtureHost, _ columns: Int?) throws -> [Substring] {
        try CommandLine.run(
            ["status", "--root", host.folder.path],
            environment: ["COLUMNS": columns.map { "\($0)" } ?? "", "TZ": "UTC"]
        ).output.split(separator: "\n")
    }

    @Test("A claimed card says since when, by which unit, and what was proven; one in use says who has it")
    func states() throws {
        let lines = try lines(of: try Self.claimed(proof: .init(time: 1_790_000_100, bars: 2)), nil)
        #expect(
            lines.dropFirst().map { $0.split(separator: "  ").map { $0.drop { $0 == " " } }.suffix(2) } == [
                ["claimed", "claimed 2026-09-21 14:13 by apertured@0000:01:00.0.service"],
                ["2 BARs proven 2026-09-21 14:15"], ["host", "-"],
                ["in use", "used by qemu-system-x86 (pid 4242)"], ["vfio", "-"],
            ])
    }

    @Test(
        "A virtual function stands indented below its physical one, and no line is too wide", arguments: [60, 80, 200])
    func virtual(_ columns: Int) throws {
        let lines = try lines(of: try Self.claimed(proof: nil), columns)
        #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
        let cards = lines.compactMap { $0.firstMatch(of: /^( *)0000:[^ ]+/)?.output.0 }
        #expect(cards == ["0000:01:00.0", "0000:03:11.0", "0000:04:00.0", "  0000:03:10.0"])
        #expect(lines.contains { $0.hasSuffix("  not proven") })
    }

    @Test("A record that cannot be used is said, and neither a claim nor none")
    func unusable() throws {
        let host = try Self.claimed(proof: nil)
        try host.folder.write("{", to: "/run/apertured/0000:01:00.0.json")
        let lines = try lines(of: host, nil)
        #expect(
            lines.contains {
                $0.contains(" unknown ") && $0.contains("claim unknown: /run/apertured/0000:01:00.0.json")
            })
        let result = try CommandLine.run(["status", "--json", "--root", host.folder.path])
        let rows = try #require(result.object["gpus"] as? [[String: Any]])
        #expect((rows.first?["claimUnknown"] as? String)?.contains("it is not JSON") == true)
        let diagnosis = try CommandLine.run(["doctor", "0000:01:00.0", "--root", host.folder.path])
        #expect(diagnosis.status == 1)
        #expect(diagnosis.output.contains("✗ Record: "))
    }

    @Test("As JSON a claim has its times in UTC, and a user its process")
    func json() throws {
        let host = try Self.claimed(proof: .init(time: 1_790_000_100, bars: 2))
        let result = try CommandLine.run(["status", "--json", "--root", host.folder.path])
        let rows = try #require(result.object["gpus"] as? [[String: Any]])
        let claim = try #require(rows.first?["claim"] as? [String: Any])
        #expect(claim["since"] as? String == "2026-09-21T14:13:20Z")
        #expect(claim["proven"] as? String == "2026-09-21T14:15:00Z")
        #expect(claim["bars"] as? Int == 2)
        #expect(claim["unit"] as? String == "apertured@0000:01:00.0.service")
        let user = try #require((rows.last?["users"] as? [[String: Any]])?.first)
        #expect(user["process"] as? Int == 4242)
        #expect(user["node"] as? String == "/dev/vfio/4")
        #expect(rows.last?["state"] as? String == "in use")
    }

    @Test("A map is as wide as the terminal, and no line is wider", arguments: [60, 61, 80, 120, 200])
    func map(_ columns: Int) throws {
        let lines = try lines(columns, "--map").dropFirst(3)
        let drawn = lines.filter { $0.hasSuffix("|") }
        #expect(drawn.count >= 3)
        #expect(drawn.allSatisfy { $0.count == columns }, "\(drawn)")
        #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
    }
}
