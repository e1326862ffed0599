import Fixtures
import Foundation
import Testing
import apertured

private let gpu = "0000:01:00.0"

/// Every line on the standard error says what it is, in the same form: `apertured: GPU: KIND: TEXT`.
@Suite("Messages")
struct MessageTests {
    private static func machine() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, class: 0x038000, group: 3)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu)
        }
    }

    private static func ungrouped() throws -> FixtureHost { try FixtureHost { GPU(gpu, group: nil) } }

    private static func unreadable() throws -> FixtureHost {
        let host = try machine()
        let path = "/sys/bus/platform/devices/efi-framebuffer.0/driver_override"
        try host.folder.remove(path)
        try host.folder.makeFolder(path)
        return host
    }

    /// A display manager has the card.
    private static func shown() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, driver: "amdgpu", group: 3)
            CardNode(0, of: gpu)
            Process(700, "Xorg", holds: "/dev/dri/card0", of: "gdm.service")
        }
    }

    private static func masked() throws -> FixtureHost {
        try FixtureHost {
            MaskedMemoryMap()
            GPU(gpu)
        }
    }

    /// Without the folder of the devices nothing can be read.
    private static func broken() throws -> FixtureHost {
        let host = try machine()
        try host.folder.remove("/sys/bus/pci/devices")
        try host.folder.write("", to: "/sys/bus/pci/devices")
        return host
    }

    /// A folder where the pin of `enable` should be.
    private static func unpinnable() throws -> FixtureHost {
        let host = try machine()
        try host.folder.makeFolder("/etc/apertured.conf.d/pin-\(gpu).conf")
        return host
    }

    private static func untrusted() throws -> FixtureHost {
        let host = try machine()
        try host.folder.makeFolder("/run/apertured")
        try host.folder.write("{}", to: "/run/apertured/\(gpu).json")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o775], ofItemAtPath: host.folder.path + "/run/apertured")
        return host
    }

    /// A command, and how one of its lines begins.
    struct Row: CustomTestStringConvertible, Sendable {
        let words: [String]
        let line: String
        let machine: (@Sendable () throws -> FixtureHost)?

        init(_ line: String, _ words: [String], _ machine: (@Sendable () throws -> FixtureHost)?) {
            self.line = line
            self.words = words
            self.machine = machine
        }

        var testDescription: String { "\(words.joined(separator: " ")): \(line)" }
    }

    private static let rows = [
        Row("apertured: warning: it is not known what is in the BARs: iomem-masked: ", ["status"], masked),
        Row("apertured: warning: efi-framebuffer.0 could not be read: ", ["status"], unreadable),
        Row("apertured: refused: no-such-device: ", ["status", "0000:09:00.0"], machine),
        Row("apertured: error: cannot ", ["status"], broken),
        Row("apertured: \(gpu): refused: no-iommu: ", ["plan", gpu], ungrouped),
        Row("apertured: error: cannot ", ["plan", gpu], broken),
        Row("apertured: \(gpu): refused: no-iommu: ", ["claim", gpu], ungrouped),
        Row("apertured: \(gpu): refused: in-use: ", ["plan", gpu, "--stop", "lightdm.service"], shown),
        Row("apertured: \(gpu): error: step stop-unit ", ["claim", gpu, "--stop", "gdm.service"], shown),
        Row(
            "apertured: error: --stop apertured@x.service: apertured's own.",
            ["plan", gpu, "--stop", "apertured@x.service"], nil),
        Row("apertured: \(gpu): claiming \(gpu)", ["claim", gpu], machine),
        Row("apertured: \(gpu): error: step unbind-framebuffer ", ["claim", gpu], machine),
        Row("apertured: \(gpu): debug: set-driver-override of \(gpu) ", ["claim", gpu, "--verbose"], machine),
        Row("apertured: \(gpu): debug: set-driver-override of \(gpu) ", ["claim", gpu, "-v"], machine),
        Row("apertured: \(gpu): error: /run/apertured is not trusted", ["claim", gpu], untrusted),
        Row("apertured: \(gpu): error: ", ["verify", gpu], machine),
        Row(
            "apertured: \(gpu): refused: no-such-device: ", ["verify", gpu], { try FixtureHost { GPU("0000:02:00.0") } }
        ),
        Row("apertured: \(gpu): refused: not-claimed: ", ["release", gpu], machine),
        Row("apertured: \(gpu): error: /run/apertured is not trusted", ["release", gpu], untrusted),
        Row("apertured: error: /run/apertured is not trusted", ["recover"], untrusted),
        Row("apertured: \(gpu): ", ["guard", gpu], ungrouped),
        Row("apertured: \(gpu): error: /run/apertured is not trusted", ["post-stop", gpu], untrusted),
        Row("apertured: error: ", ["vfio-driver", gpu], broken),
        Row("apertured: error: ", ["complete", "gpus"], broken),
        Row("apertured: error: cannot run journalctl: ", ["log", gpu], nil),
        Row("apertured: error: cannot ", ["doctor"], broken),
        Row("apertured: \(gpu): error: cannot ", ["enable", gpu], broken),
        Row("apertured: 0000:09:00.0: refused: no-such-device: ", ["enable", "0000:09:00.0"], machine),
        Row("apertured: \(gpu): error: ", ["disable", gpu], unpinnable),
        Row("apertured: warning: ", ["report", "--output", "-"], machine),
        Row("apertured: refused: no-such-device: ", ["report", "0000:09:00.0", "--output", "-"], machine),
        Row("apertured: refused: output: ", ["report", "--output", "/proc/version"], machine),
        Row("apertured: error: Unexpected argument 'frobnicate'", ["frobnicate"], nil),
        Row("apertured: error: --wait takes 0 to 3600 seconds.", ["claim", gpu, "--wait", "9999"], machine),
        Row("apertured: error: --quiet and --verbose contradict", ["release", gpu, "--quiet", "--verbose"], machine),
    ]

    /// A line in the form of all lines: the GPU and the kind may be missing, and a refusal has a code.
    private static let form =
        "^apertured: ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]: )?"
        + "((error|warning|debug): |refused: [a-z-]+: )?[^ ]"

    @Test("Every verb's messages have one form", arguments: rows)
    func form(_ row: Row) throws {
        let host = try row.machine?()
        let root = host.map { ["--root", $0.folder.path] } ?? []
        let result = try CommandLine.run(row.words + root, environment: row.words[0] == "log" ? ["PATH": "/"] : [:])
        let lines = result.errors.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix(row.line) }, "\(lines)")
        // The parser adds the usage, which is no message.
        for line in result.status == 2 ? Array(lines.prefix(1)) : lines {
            #expect(line.range(of: Self.form, options: .regularExpression) != nil, "\(line)")
            let words = line.split(separator: " ")
            #expect(words.filter { ["error:", "refused:", "warning:", "debug:"].contains($0) }.count <= 1, "\(line)")
        }
    }

    @Test("No verb is left out")
    func complete() throws {
        let help = try CommandLine.run("--help").output
        let section = try #require(help.components(separatedBy: "SUBCOMMANDS:\n").last)
        let shown = section.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.compactMap {
            $0.split(separator: " ").first.map(String.init)
        }
        try #require(shown.contains("claim"))
        let tested = Set(Self.rows.map { $0.words[0] })
        // The parser's own, and its last sentence.
        #expect(Set(shown).subtracting(["help", "See"]).isSubset(of: tested))
    }

    // MARK: - Another user

    @Test(
        "What writes must be run as root, and says what works without",
        arguments: [
            ["claim", gpu], ["release", gpu], ["recover"], ["post-stop", gpu], ["guard", gpu], ["verify", gpu],
            ["vfio-driver", gpu, "--load"],
        ])
    func notRoot(_ words: [String]) throws {
        let result = try CommandLine.run(words, asUser: 65534)
        #expect(result.status == 3)
        #expect(result.errors.contains("refused: not-root: This must be run as root, and this is user 65534."))
        #expect(result.errors.contains("`apertured status` shows") && result.errors.contains("`apertured log` shows"))
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }

    @Test("What is said to work without root works, and says once what it does not see")
    func others() throws {
        let status = try CommandLine.run(["status"], asUser: 65534)
        #expect(status.status == 0, "\(status.errors)")
        let lines = status.errors.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("apertured: warning: this is user 65534, and only root sees ") }.count == 1)
        #expect(!status.errors.contains("iomem"))
    }

    // MARK: - The help

    @Test("The help has every exit status, with its meaning", arguments: apertured.ExitStatus.allCases)
    func exitStatus(_ status: apertured.ExitStatus) throws {
        let help = try CommandLine.run("--help").output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(help.contains(" \(status.rawValue) \(status.meaning)"))
    }
}
