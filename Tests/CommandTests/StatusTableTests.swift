import Fixtures
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
        #expect(columns == ["ADDRESS", "NAME", "CLASS", "BOOT", "DRIVER", "GROUP", "STATE", "HELD"])
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
