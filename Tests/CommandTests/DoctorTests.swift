import Aperture
import Fixtures
import Foundation
import Testing

private let gpu = "0000:01:00.0"

/// `doctor`, as a person sees it.
@Suite("Doctor")
struct DoctorTests {
    private static func free() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu)
        }
    }

    private static func stopped() throws -> FixtureHost {
        try FixtureHost {
            Kernel("6.5.0")
            GPU(gpu, class: 0x030000, bootVGA: false, group: nil)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "vfio-pci", group: 2)
            FirmwareFramebuffer(.bootSimpledrm, 0xc000_0000...0xc03e_7fff)
        }
    }

    private func run(_ host: FixtureHost, columns: Int? = nil, _ arguments: String...) throws -> CommandLine.Result {
        let before = try host.folder.contents()
        let result = try CommandLine.run(
            ["doctor", "--root", host.folder.path] + arguments,
            environment: ["COLUMNS": columns.map { "\($0)" } ?? ""])
        #expect(try host.folder.contents() == before)
        #expect(!host.folder.exists("/run/apertured"))
        #expect(result.errors.isEmpty, "\(result.errors)")
        return result
    }

    @Test("A card that can be claimed has no obstacle, and the status 0")
    func claimable() throws {
        let result = try run(Self.free())
        #expect(result.status == 0)
        #expect(!result.output.contains("✗"))
        #expect(
            result.output.contains(
                "✓ Framebuffer: efifb (efi-framebuffer.0) in BAR 0. The claim clears it: rung evict.\n"))
        #expect(result.output.contains("\nA claim would succeed.\n"))
        #expect(result.output.contains("\n\nThis machine\n"))
        let onVFIO = try run(Self.stopped(), "0000:02:00.0")
        #expect(onVFIO.status == 0)
        #expect(onVFIO.output.contains("\nIt is on VFIO, and nothing is in its BARs.\n"))
        #expect(!onVFIO.output.contains(gpu))
    }

    @Test("An obstacle stands first with its remedy below, and the status is 1")
    func obstacle() throws {
        let result = try run(Self.stopped())
        #expect(result.status == 1)
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("\(gpu)  "))
        #expect(lines[1].hasPrefix("✗ IOMMU: \(gpu) is in no IOMMU group."))
        #expect(lines[2].hasPrefix("    Enable VT-d"))
        #expect(lines[3].hasPrefix("✗ Framebuffer: "))
        #expect(lines.contains("A claim would be refused, for 2 reasons."))
        // The other card has none.
        #expect(result.output.matches(of: #/(?m)^✗/#).count == 2)
    }

    @Test("A card that the guard of several cards has needs no unit of its own")
    func jointlyGuarded() throws {
        let host = try Self.free()
        #expect(try run(host, gpu).output.contains("! Unit: apertured@\(gpu).service is not enabled"))
        try host.folder.makeFolder("/etc/systemd/system/multi-user.target.wants")
        try host.folder.link(
            "/etc/systemd/system/multi-user.target.wants/apertured.service",
            to: "/usr/lib/systemd/system/apertured.service")
        #expect(try run(host, gpu).output.contains("! Unit: apertured@\(gpu).service is not enabled"))
        try host.folder.write("[GPU]\nAddress=\(gpu)\nEnabled=yes\n", to: "/etc/apertured.conf.d/50.conf")
        let output = try run(host, gpu).output
        #expect(output.contains("✓ Unit: apertured.service guards it.\n"))
        #expect(!output.contains("apertured enable"))
        try host.folder.makeFolder("/etc/apertured.conf")
        #expect(try run(host, gpu).output.contains("– Unit: Whether a guard of several cards has it is not known: "))
    }

    @Test("A device that is not there is an obstacle, and so is one that is no GPU")
    func absent() throws {
        let absent = try run(Self.free(), "0000:09:00.0")
        #expect(absent.status == 1)
        #expect(absent.output.contains("✗ Card: There is no PCI device at 0000:09:00.0."))
        let host = try FixtureHost { Function("0000:02:00.1", class: 0x040300) }
        #expect(try run(host, "0000:02:00.1").status == 1)
        let empty = try run(host)
        #expect(empty.status == 0)
        #expect(empty.output.hasPrefix("No GPUs.\n"))
    }

    @Test("Each line fits, and a word is never cut", arguments: [60, 80, 120, 200])
    func fits(_ columns: Int) throws {
        for host in [try Self.free(), try Self.stopped()] {
            let whole = try run(host).output
            let result = try run(host, columns: columns)
            let lines = result.output.split(separator: "\n")
            #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
            // The same words, whatever the width; a name is shortened.
            func words(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { !$0.hasPrefix("0000:") }.joined(separator: " ").split(
                    separator: " ")
            }
            #expect(words(result.output) == words(whole))
        }
    }

    @Test("In a pipe every finding has one line without colours, whatever the terminal")
    func pipe() throws {
        let output = try run(Self.free()).output
        #expect(!output.contains("\u{1b}"))
        for line in output.split(separator: "\n") where !line.hasPrefix("    ") {
            let isFinding = ["✓ ", "! ", "✗ ", "– "].contains { line.hasPrefix($0) }
            #expect(
                isFinding || line.hasPrefix(gpu) || line == "This machine" || line == "A claim would succeed.",
                "\(line)")
        }
    }

    @Test("The document has the same findings, and names what a claim would come to")
    func document() throws {
        let result = try run(Self.stopped(), "--json")
        #expect(result.status == 1)
        let object = try result.object
        let gpus = try #require(object["gpus"] as? [[String: Any]])
        #expect(gpus.map { $0["claimable"] as? Bool } == [false, true])
        let findings = try #require(gpus.first?["findings"] as? [[String: Any]])
        #expect(findings.prefix(2).map { $0["id"] as? String } == ["no-iommu", "residue-needs-rescan"])
        #expect(findings.prefix(2).allSatisfy { $0["mark"] as? String == "obstacle" })
        let machine = try #require(object["machine"] as? [[String: Any]])
        #expect(machine.first?["id"] as? String == "iommu")
        let absent = try run(Self.free(), "--json", "0000:09:00.0")
        #expect(absent.status == 1)
        #expect(absent.output.contains("no-such-device"))
    }

    @Test("Options of the policy count as they do for a plan")
    func policy() throws {
        let host = try FixtureHost {
            GPU(gpu, group: 12, vendor: 0x1002)
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", group: 13, vendor: 0x1002)
            Function("0000:01:00.3", class: 0x0c0330, driver: "xhci_hcd", group: 13, vendor: 0x1022)
        }
        #expect(try run(host, gpu).status == 1)
        #expect(try run(host, gpu, "--only-function").status == 0)
    }

    @Test("apertured.conf is judged as the unit judges it, and is no obstacle to a claim by hand")
    func configuration() throws {
        let host = try Self.free()
        try host.folder.write("[GPU]\nAddress=\(gpu)\nId=10de:1c82\n", to: "/etc/apertured.conf")
        let result = try run(host)
        #expect(result.status == 0)
        #expect(result.output.contains("! Configuration: The unit would refuse (configuration-mismatch): "))
        try host.folder.remove("/etc/apertured.conf")
        try host.folder.makeFolder("/etc/apertured.conf")
        #expect(try run(host).output.contains("– Configuration: apertured.conf could not be read: "))
    }

    @Test("The status is that of the plan's verdict", arguments: [false, true])
    func verdict(_ isXen: Bool) throws {
        let host = try FixtureHost { GPU(gpu, driver: isXen ? "pciback" : nil, group: isXen ? nil : 1) }
        if isXen { try host.folder.write("control_d\n", to: "/proc/xen/capabilities") }
        let plan = try CommandLine.run("plan", gpu, "--root", host.folder.path)
        let doctor = try run(host, gpu)
        #expect(plan.status == (isXen ? 3 : 0))
        #expect(doctor.status == (isXen ? 1 : 0))
        if isXen { #expect(doctor.output.contains("! xen-pciback: ")) }
    }

    @Test("Where the addresses are hidden that is the obstacle, and what they hide is unknown")
    func hidden() throws {
        let host = try FixtureHost {
            GPU(gpu)
            MaskedMemoryMap()
        }
        let result = try run(host)
        #expect(result.status == 1)
        #expect(result.output.contains("✗ Memory map: /proc/iomem shows zeros"))
        #expect(result.output.contains("    Run as root"))
        #expect(result.output.contains("– Framebuffer: "))
    }
}
