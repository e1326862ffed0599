import Aperture
import Fixtures
import Foundation
import Reclaim
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

@Suite("Command line")
struct CommandTests {
    private static func conflicted() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, class: 0x038000, group: 3)
            FirmwareFramebuffer(.efifb, fb, parent: gpu)
        }
    }

    @Test("plan --json prints the documented object")
    func planJSON() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("plan", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let object = try result.object
        #expect(object["version"] as? Int == 1)
        #expect(object["verdict"] as? String == "claim")
        let card = try #require(object["gpu"] as? [String: Any])
        #expect(card["address"] as? String == gpu)
        #expect(card["class"] as? String == "0x038000")
        #expect(card["vendor"] as? String == "0x1234")
        #expect(card["device"] as? String == "0x1111")
        #expect(card["iommuGroup"] as? Int == 3)
        #expect(card["functions"] as? [String] == [gpu])
        #expect(result.output.contains("\"bootVGA\": null"))
        #expect(result.output.contains("\"driver\": null"))
        let aperture = try #require((object["apertures"] as? [[String: Any]])?.first)
        #expect(aperture["bar"] as? Int == 0)
        #expect(aperture["start"] as? String == "0xc0000000")
        #expect(aperture["end"] as? String == "0xc0ffffff")
        #expect(aperture["prefetchable"] as? Bool == true)
        #expect(aperture["is64Bit"] as? Bool == false)
        let conflict = try #require((object["conflicts"] as? [[String: Any]])?.first)
        #expect(conflict["bar"] as? Int == 0)
        #expect(conflict["start"] as? String == "0xc0000000")
        #expect(conflict["end"] as? String == "0xc03e7fff")
        #expect(conflict["owner"] as? String == "efifb")
        #expect(conflict["device"] as? String == "efi-framebuffer.0")
        #expect(conflict["driver"] as? String == "efi-framebuffer")
        #expect(conflict["witnesses"] as? [String] == ["iomem", "parent"])
        let steps = try #require(object["steps"] as? [[String: Any]])
        let unbind = try #require(steps.first { $0["action"] as? String == "unbind-framebuffer" })
        #expect(unbind["target"] as? String == "efi-framebuffer.0")
        #expect(unbind["path"] as? String == "/sys/bus/platform/drivers/efi-framebuffer/unbind")
        #expect(unbind["value"] as? String == "efi-framebuffer.0")
        #expect((unbind["reason"] as? String)?.isEmpty == false)
        #expect((object["refusals"] as? [Any])?.isEmpty == true)
    }

    @Test("A plan that stops a service shows it, as text and as JSON")
    func stops() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            CardNode(0, of: gpu)
            Process(700, "Xorg", holds: "/dev/dri/card0", of: "gdm.service")
        }
        try host.folder.makeFolder("/etc/systemd/system")
        try host.folder.symlink("/etc/systemd/system/display-manager.service", destination: "gdm.service")
        let words = ["plan", gpu, "--stop", "display-manager.service", "--root", host.folder.path]
        let text = try CommandLine.run(words)
        #expect(text.status == 0)
        #expect(
            text.output.contains(
                "  1. stop-unit gdm.service: Xorg (pid 700, gdm.service) holds /dev/dri/card0\n"
                    + "       stop gdm.service > /usr/bin/systemctl\n  2. await-close /dev/dri/card0: "))
        let steps = try #require(try CommandLine.run(words + ["--json"]).object["steps"] as? [[String: Any]])
        #expect(steps.prefix(2).map { $0["action"] as? String } == ["stop-unit", "await-close"])
        #expect(steps.prefix(2).map { $0["rung"] as? String } == ["stop", "stop"])
        #expect(steps.first?["value"] as? String == "stop gdm.service")
        let doctor = try CommandLine.run(["doctor"] + words.dropFirst())
        let told = doctor.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(told.contains("gdm.service) holds /dev/dri/card0. The claim stops gdm.service."))
    }

    @Test("A refused plan prints the refusal and exits 3")
    func refusedPlan() throws {
        let host = try FixtureHost { GPU(gpu, group: nil) }
        let result = try CommandLine.run("plan", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 3)
        let object = try result.object
        #expect(object["verdict"] as? String == "refused")
        let refusal = try #require((object["refusals"] as? [[String: Any]])?.first)
        #expect(refusal["code"] as? String == "no-iommu")
        #expect((refusal["message"] as? String)?.contains(gpu) == true)
        #expect((refusal["remedy"] as? String)?.isEmpty == false)
        #expect((object["steps"] as? [Any])?.isEmpty == true)
        #expect(result.errors.contains("refused: no-iommu"))
    }

    @Test("A short address means domain 0")
    func shortAddress() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("plan", "01:00.0", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.output.hasPrefix("\(gpu): claim\n"))
    }

    @Test("Nothing to do exits 0")
    func nothingToDo() throws {
        let host = try FixtureHost { GPU(gpu, driver: "vfio-pci", override: "vfio-pci") }
        let result = try CommandLine.run("plan", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(try result.object["verdict"] as? String == "nothing-to-do")
    }

    @Test("claim --dry-run shows the plan and writes nothing")
    func dryRun() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("claim", gpu, "--dry-run", "--json", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(try result.object["verdict"] as? String == "claim")
        #expect(try host.folder.text("/sys/bus/pci/devices/\(gpu)/driver_override") == "(null)\n")
    }

    @Test("claim --root neither reads nor writes through a link out of the root", arguments: Escape.all)
    func escapes(_ escape: Escape) throws {
        let host = try Self.conflicted()
        let outside = try escape.plant("/sys/bus/pci/devices/\(gpu)/driver_override", in: host.folder)
        let before = try outside.contents()
        let result = try CommandLine.run("claim", gpu, "--json", "--root", host.folder.path)
        // Without its devices' folder the bus itself cannot be read.
        #expect(result.status == (escape.part == .folder ? 1 : 3))
        #expect(!result.output.contains("outside"))
        if escape.part != .folder { #expect(result.errors.contains("device-unreadable")) }
        #expect(try outside.contents() == before)
    }

    @Test("status shows every card beside a framebuffer that cannot be read")
    func unreadableFramebuffer() throws {
        let host = try FixtureHost {
            GPU(gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            FirmwareFramebuffer(.efifb, fb)
        }
        let path = "\(KernelPath.platformDevice("efi-framebuffer.0"))/driver_override"
        try host.folder.remove(path)
        try host.folder.makeFolder(path)
        let all = try CommandLine.run("status", "--root", host.folder.path)
        #expect(all.status == 3)
        #expect(all.output.contains("\(gpu)") && all.output.contains("0000:02:00.0"))
        #expect(all.errors.contains("efi-framebuffer.0 could not be read"))
        let other = try CommandLine.run("status", "0000:02:00.0", "--root", host.folder.path)
        #expect(other.status == 0)
        #expect(other.errors.isEmpty)
        #expect(try CommandLine.run("plan", "0000:02:00.0", "--root", host.folder.path).status == 0)
    }

    @Test("A claim whose write has no effect exits 1 and names the step")
    func failedClaim() throws {
        // Plain files do not react: the first unbind leaves the driver link.
        let host = try Self.conflicted()
        let result = try CommandLine.run("claim", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 1)
        let object = try result.object
        #expect(object["result"] as? String == "failed")
        #expect(object["rungs"] as? [String] == ["override", "evict"])
        #expect((object["error"] as? String)?.contains("/sys/bus/platform/drivers/efi-framebuffer/unbind") == true)
        #expect(result.errors.contains("unbind-framebuffer"))
    }

    @Test("A refused claim exits 3 and writes nothing")
    func refusedClaim() throws {
        let host = try FixtureHost { GPU(gpu, group: nil) }
        let result = try CommandLine.run("claim", gpu, "--root", host.folder.path)
        #expect(result.status == 3)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("no-iommu"))
        #expect(try host.folder.text("/sys/bus/pci/devices/\(gpu)/driver_override") == "(null)\n")
    }

    @Test("A claim of a device that is not there exits 3, and leaves no folder behind")
    func absentDevice() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("claim", "0000:09:00.0", "--root", host.folder.path)
        #expect(result.status == 3)
        #expect(result.errors.contains("no-such-device"))
        #expect(!FileManager.default.fileExists(atPath: host.folder.path + "/run/apertured"))
    }

    @Test("A second caller waits, and is told who is at work")
    func locked() throws {
        let host = try Self.conflicted()
        let holder = try LockHolder(root: host.folder.path)
        defer { holder.end() }
        let result = try CommandLine.run("claim", gpu, "--lock-wait", "0", "--root", host.folder.path)
        #expect(result.status == 3)
        #expect(result.errors.contains("locked: Another apertured is at work"))
        #expect(result.errors.contains("(pid \(holder.pid))"))
        #expect(try host.folder.text("/sys/bus/pci/devices/\(gpu)/driver_override") == "(null)\n")
    }

    @Test("A second caller waits as long as it was told to, and has its turn when the first has finished")
    func lockWait() throws {
        let host = try Self.conflicted()
        let holder = try LockHolder(root: host.folder.path)
        let clock = ContinuousClock()
        let waited = try clock.measure {
            let result = try CommandLine.run("claim", gpu, "--lock-wait", "1", "--root", host.folder.path)
            #expect(result.status == 3)
        }
        #expect(waited >= .seconds(1))
        holder.end()
        let short = try LockHolder(root: host.folder.path, seconds: 1)
        defer { short.end() }
        // It has the lock then: the plain files do not react, and the unbind fails.
        let result = try CommandLine.run("claim", gpu, "--lock-wait", "60", "--root", host.folder.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("unbind-framebuffer"))
    }

    @Test("In a queue the wait is for whoever is at work, and not for all of them together")
    func queue() throws {
        let host = try Self.conflicted()
        let first = try LockHolder(root: host.folder.path, seconds: 3)
        let second = try LockHolder(root: host.folder.path, seconds: 3)
        defer {
            first.end()
            second.end()
        }
        // The second one is in the queue already, and has the lock when the first one ends.
        let result = try CommandLine.run("claim", gpu, "--lock-wait", "5", "--root", host.folder.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("unbind-framebuffer"))
    }

    @Test("--quiet says nothing of what went well", arguments: ["claim", "release"])
    func quiet(_ verb: String) throws {
        let host = try FixtureHost { GPU(gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        let result = try CommandLine.run(
            [verb, gpu, "--quiet", "--root", host.folder.path] + (verb == "claim" ? ["--no-verify"] : []))
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.isEmpty && result.errors.isEmpty)
    }

    @Test("A claim cut short is recovered by recover, which a second time has nothing to do")
    func recover() throws {
        let host = try Self.conflicted()
        let start = try host.folder.contents()
        host.kill = FixtureHost.Kill(3, isAfter: false)
        _ = try? Claimer(host: host).claim(try #require(PCIAddress(gpu)))
        #expect(try host.folder.contents() != start)
        // Plain files do not react, and clearing an override is a newline: the read-back tells.
        let result = try CommandLine.run("recover", "--json", "--root", host.folder.path)
        #expect(result.status == 0)
        let row = try #require((try result.object["gpus"] as? [[String: Any]])?.first)
        #expect(row["gpu"] as? String == gpu)
        #expect(row["settled"] as? Bool == true)
        let again = try CommandLine.run("recover", "--json", "--root", host.folder.path)
        #expect(again.status == 0)
        #expect((try again.object["gpus"] as? [Any])?.isEmpty == true)
    }

    @Test("post-stop takes the udev rule's override back from a card that was never claimed, and from no other")
    func undoRule() throws {
        for (mark, expected) in [("E:APERTURED_OVERRIDE=vfio-pci\n", ""), ("E:OTHER=1\n", "vfio-pci")] {
            let host = try FixtureHost { GPU(gpu, override: "vfio-pci") }
            try host.folder.write(mark, to: "/run/udev/data/+pci:\(gpu)")
            let result = try CommandLine.run("post-stop", gpu, "--root", host.folder.path)
            #expect(result.status == 0, "\(result.errors)")
            let override = try host.folder.text("/sys/bus/pci/devices/\(gpu)/driver_override")
            #expect(override.trimmingCharacters(in: .whitespacesAndNewlines) == expected)
        }
    }

    @Test("A release of what was never claimed exits 3")
    func releaseUnclaimed() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("release", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 3)
        #expect(try result.object["result"] as? String == "refused")
        #expect(result.errors.contains("not-claimed"))
    }

    @Test("A record that is not trusted is named, and nothing is written")
    func untrustedRecord() throws {
        let host = try Self.conflicted()
        try host.folder.makeFolder("/run/apertured")
        try host.folder.write("{}", to: "/run/apertured/\(gpu).json")
        let result = try CommandLine.run("claim", gpu, "--root", host.folder.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("/run/apertured/\(gpu).json is not trusted"))
        #expect(try host.folder.text("/sys/bus/pci/devices/\(gpu)/driver_override") == "(null)\n")
    }

    @Test("status lists every display device and what holds which BAR")
    func status() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "vfio-pci", group: 2)
            Function("0000:02:00.1", class: 0x040300, group: 2)
            FirmwareFramebuffer(.efifb, fb)
        }
        let result = try CommandLine.run("status", "--root", host.folder.path)
        #expect(result.status == 0)
        let lines = result.output.split(separator: "\n")
        try #require(lines.count == 3)
        #expect(lines[0].hasPrefix("ADDRESS"))
        #expect(lines[1].hasPrefix(gpu))
        #expect(lines[1].contains("vga") && lines[1].contains("framebuffer") && lines[1].contains("BAR 0: efifb"))
        #expect(lines[2].hasPrefix("0000:02:00.0") && lines[2].contains("vfio  "))
    }

    @Test("status --json has a state for every device")
    func statusJSON() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("status", "--json", "--root", host.folder.path)
        #expect(result.status == 0)
        let devices = try #require(try result.object["gpus"] as? [[String: Any]])
        #expect(devices.count == 1)
        #expect(devices.first?["state"] as? String == "framebuffer")
    }

    @Test("A masked /proc/iomem is said, and no state is made up")
    func maskedStatus() throws {
        let host = try FixtureHost {
            MaskedMemoryMap()
            GPU(gpu)
        }
        let result = try CommandLine.run("status", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(result.output.contains("unknown"))
        #expect(result.errors.contains("iomem-masked"))
    }

    @Test("status --verbose shows the witnesses")
    func witnesses() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("status", gpu, "--verbose", "--root", host.folder.path)
        #expect(result.output.contains("iomem says on this GPU (efifb 0xc0000000-0xc03e7fff)"))
        #expect(result.output.contains("parent says on this GPU (child of \(gpu))"))
    }

    @Test("status --map draws entries to scale, and in a pipe without colours")
    func map() throws {
        let host = try FixtureHost {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, 0xc080_0000...0xc0bf_ffff)
        }
        let result = try CommandLine.run(
            ["status", gpu, "--map", "--root", host.folder.path], environment: ["COLUMNS": "81"])
        #expect(result.status == 0)
        #expect(!result.output.contains("\u{1b}"))
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.contains("  BAR 0  0xc0000000-0xc0ffffff  16 MiB  32-bit prefetchable"))
        // 81 columns, 64 of them for 16 MiB: the third quarter is efifb's.
        let bar = String(repeating: " ", count: 32) + String(repeating: "#", count: 16)
        #expect(lines.contains("  efifb        |" + bar + String(repeating: " ", count: 16) + "|"))
        #expect(lines.contains { $0.hasSuffix("0xc0800000-0xc0bfffff  4 MiB") })
    }

    @Test("verify of a card that is not on vfio-pci exits 1")
    func verifyUnclaimed() throws {
        let host = try Self.conflicted()
        let result = try CommandLine.run("verify", gpu, "--json", "--root", host.folder.path)
        #expect(result.status == 1)
        let object = try result.object
        #expect(object["verified"] as? Bool == false)
        #expect((object["error"] as? String)?.contains("not to vfio-pci") == true)
    }

    @Test("verify names the VFIO call that failed")
    func verifyFailure() throws {
        // The fixture's nodes are plain files: no ioctl works on them.
        let host = try FixtureHost { GPU(gpu, driver: "vfio-pci", override: "vfio-pci") }
        try host.folder.write("", to: "/dev/vfio/vfio")
        let result = try CommandLine.run("verify", gpu, "--root", host.folder.path)
        #expect(result.status == 1)
        #expect(result.errors.contains("VFIO_GET_API_VERSION on /dev/vfio/vfio"))
    }

    @Test(
        "Usage errors exit 2 and name what was wrong",
        arguments: [
            (["plan"], "gpu"), (["plan", "nonsense"], "nonsense"), (["plan", "0000:01:20.0"], "0000:01:20.0"),
            (["claim", "../../etc"], "../../etc"), (["frobnicate"], "frobnicate"),
            (["claim", gpu, "--residue", "x"], "x"),
            (["claim", gpu, "--allow-native", "nvidia"], "nvidia"), (["claim", gpu, "--wait", "-1"], "--wait"),
            (["status", "--root", "/nowhere"], "/nowhere"),
        ])
    func usage(_ arguments: [String], _ named: String) throws {
        let result = try CommandLine.run(arguments)
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(named))
    }

    @Test(
        "--help and --version exit 0 on the standard output",
        arguments: [
            (["--help"], "USAGE: apertured"), (["--version"], "apertured 0.1.0\n"), (["claim", "--help"], "--residue"),
            (["help", "verify"], "iommufd"),
        ])
    func help(_ arguments: [String], _ expected: String) throws {
        let result = try CommandLine.run(arguments)
        #expect(result.status == 0)
        #expect(result.output.contains(expected))
    }
}
