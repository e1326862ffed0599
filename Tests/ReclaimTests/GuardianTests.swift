import Aperture
import Fixtures
import Record
import Reclaim
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// What a guardian told.
private final class Story {
    var lines: [String] = []

    func tell(_ event: GuardEvent) {
        switch event {
        case .lateFramebuffer(let conflict): lines.append("late \(conflict.claim.name)")
        case .lateFramebufferInUse(let conflict, let holders):
            lines.append("late \(conflict.claim.name), in use by \(holders.map(\.command))")
        case .takenAway(let function, let driver): lines.append("\(function) taken by \(driver ?? "nobody")")
        case .sound: lines.append("sound")
        case .gone: lines.append("gone")
        case .ueventsLost: lines.append("lost")
        case .failed(let reason): lines.append("failed: \(reason)")
        }
    }
}

@Suite("Guardian")
struct GuardianTests {
    private func guarded(
        @MachineBuilder _ parts: () -> [any Part]
    ) throws -> (host: FixtureHost, guardian: Guardian<FixtureHost>, story: Story) {
        let host = try FixtureHost(parts)
        #expect(try host.claim().isClaimed)
        let story = Story()
        let guardian = Guardian(
            host: host, address: try #require(PCIAddress(gpu)), options: ClaimOptions(), tell: story.tell)
        return (host, guardian, story)
    }

    @Test("Nothing changed, nothing told")
    func quiet() throws {
        var (_, guardian, story) = try guarded { GPU(gpu) }
        #expect(guardian.check() == .goOn)
        #expect(story.lines.isEmpty)
    }

    @Test("A card that cannot be read is not gone, is told once, and again when it is sound")
    func unreadable() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        let path = "/sys/bus/pci/devices/\(gpu)/vendor"
        let vendor = try host.folder.text(path)
        try host.folder.write("nonsense\n", to: path)
        #expect(guardian.check() == .goOn)
        #expect(guardian.check() == .goOn)
        #expect(story.lines.count == 1)
        #expect(story.lines.first?.contains("vendor") == true)
        try host.folder.write(vendor, to: path)
        #expect(guardian.check() == .goOn)
        #expect(story.lines.last == "sound")
    }

    @Test("A card that was removed and is back is another one, also where no event says so")
    func replaced() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        try host.write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        try host.write("1", to: "/sys/bus/pci/rescan")
        #expect(host.exists("/sys/bus/pci/devices/\(gpu)"))
        #expect(guardian.check() == .end)
        #expect(story.lines == ["gone"])
        guardian.acceptDevice()
        #expect(guardian.check() == .goOn)
    }

    @Test("A late framebuffer is evicted, and told again when it comes back")
    func late() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        try host.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(guardian.check() == .claimAgain)
        #expect(try host.claim().isClaimed)
        #expect(guardian.check() == .goOn)
        #expect(try !host.folder.text("/proc/iomem").contains("efifb"))
        try host.write("\n", to: "/sys/bus/platform/devices/efi-framebuffer.0/driver_override")
        try host.write("efi-framebuffer.0", to: "/sys/bus/platform/drivers/efi-framebuffer/bind")
        #expect(guardian.check() == .claimAgain)
        #expect(story.lines == ["late efifb", "late efifb"])
    }

    @Test("A late framebuffer over a card that a guest has is only told, and once")
    func lateInUse() throws {
        var (host, guardian, story) = try guarded {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        try host.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(guardian.check() == .goOn)
        #expect(guardian.check() == .goOn)
        #expect(story.lines == ["late efifb, in use by [\"qemu-system-x86\"]"])
    }

    @Test("A card that is taken away is told with its new driver, never fought over, and told when it is back")
    func takenAway() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        let writes = host.writes.count
        #expect(guardian.check() == .goOn)
        #expect(guardian.check() == .goOn)
        #expect(host.writes.count == writes)
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        #expect(guardian.check() == .goOn)
        #expect(story.lines == ["\(gpu) taken by nobody", "sound"])
    }

    @Test("The guard ends with its card")
    func gone() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        try host.write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        #expect(guardian.check() == .end)
        #expect(story.lines == ["gone"])
    }

    @Test("What a release of our own does is not reported")
    func ownRelease() throws {
        var (host, guardian, story) = try guarded { GPU(gpu) }
        _ = try host.release()
        #expect(guardian.check() == .goOn)
        #expect(story.lines.isEmpty)
    }
}
