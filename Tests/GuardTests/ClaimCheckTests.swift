import Aperture
import Fixtures
import Guard
import Reclaim
import Record
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// What a check told.
private final class Story {
    var lines: [String] = []

    func tell(_ event: GuardEvent) {
        switch event {
        case .lateFramebuffer(let conflict): lines.append("late \(conflict.entry.name)")
        case .lateFramebufferInUse(let conflict, let holders):
            lines.append("late \(conflict.entry.name), in use by \(holders.map(\.command))")
        case .dead(let function): lines.append("\(function) is dead")
        case .takenAway(let function, let driver): lines.append("\(function) taken by \(driver ?? "nobody")")
        case .releasedByOther: lines.append("released by another")
        case .sound: lines.append("sound")
        case .gone: lines.append("gone")
        case .ueventsLost: lines.append("lost")
        case .failed(let reason): lines.append("failed: \(reason)")
        default: lines.append("\(event)")
        }
    }
}

@Suite("Claim check")
struct ClaimCheckTests {
    private enum Start {
        case claimed, nothingToDo
    }

    private func guarded(
        expecting start: Start = .claimed, @MachineBuilder _ parts: () -> [any Part]
    ) throws -> (host: FixtureHost, check: ClaimCheck<FixtureHost>, story: Story) {
        let host = try FixtureHost(parts)
        #expect(try host.claim().isClaimed == (start == .claimed))
        let story = Story()
        let check = ClaimCheck(
            host: host, address: try #require(PCIAddress(gpu)), options: ClaimOptions(), tell: story.tell)
        return (host, check, story)
    }

    @Test("Nothing changed, nothing told")
    func quiet() throws {
        var (_, check, story) = try guarded { GPU(gpu) }
        #expect(check.check() == .goOn)
        #expect(story.lines.isEmpty)
    }

    @Test("A card that cannot be read is not gone, is told once, and again when it is sound")
    func unreadable() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        let path = "/sys/bus/pci/devices/\(gpu)/vendor"
        let vendor = try host.folder.text(path)
        try host.folder.write("nonsense\n", to: path)
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(story.lines.count == 1)
        #expect(story.lines.first?.contains("vendor") == true)
        try host.folder.write(vendor, to: path)
        #expect(check.check() == .goOn)
        #expect(story.lines.last == "sound")
    }

    @Test("A card that was removed and is back is another one, also where no event says so")
    func replaced() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        try host.write("1", to: "/sys/bus/pci/rescan")
        #expect(host.exists("/sys/bus/pci/devices/\(gpu)"))
        #expect(check.check() == .end)
        #expect(story.lines == ["gone"])
    }

    @Test("A card that a claim by hand removed and rescanned is the one that it claimed")
    func rescannedByHand() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.kernel.appear(FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu))
        let outcome = try host.claim()
        #expect(outcome.rungs.contains(.rescan))
        #expect(check.check() == .goOn)
        #expect(story.lines.isEmpty)
    }

    @Test("A card that was on vfio-pci before anyone claimed it is guarded as well, and a release leaves it there")
    func claimedByOthersBefore() throws {
        var (host, check, story) = try guarded(expecting: .nothingToDo) { GPU(gpu, driver: "vfio-pci") }
        #expect(check.check() == .goOn)
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(check.check() == .claimAgain)
        #expect(story.lines == ["late efifb"])
        _ = try host.claim()
        guard case .released = try host.release().result else {
            Issue.record("not released")
            return
        }
        #expect(try host.driver == "vfio-pci")
    }

    @Test("A late framebuffer that cannot be read is told, and evicted when it can be")
    func lateAndUnreadable() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        let path = "\(KernelPath.platformDevice("efi-framebuffer.0"))/driver_override"
        try host.folder.remove(path)
        try host.folder.makeFolder(path)
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(story.lines.count == 1)
        #expect(story.lines.first?.contains("efi-framebuffer.0") == true)
        try host.folder.remove(path)
        try host.folder.write("(null)\n", to: path)
        #expect(check.check() == .claimAgain)
    }

    /// Who has the card when it is looked at.
    enum Look: CaseIterable, CustomStringConvertible {
        case ours, between, host

        var driver: String? {
            switch self {
            case .ours: "vfio-pci"
            case .between: nil
            case .host: "bochs-drm"
            }
        }

        var description: String { driver ?? "-" }

        /// Every order of so many looks.
        static func orders(of count: Int) -> [[Look]] {
            guard count > 0 else { return [[]] }
            return orders(of: count - 1).flatMap { order in allCases.map { order + [$0] } }
        }
    }

    @Test(
        "In every order of looks each change is told once, and a look between two drivers forgets nothing",
        arguments: Look.orders(of: 5))
    func orders(_ looks: [Look]) throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        var expected: [String] = []
        // What was told last: nothing is wrong, or who has the card.
        var told: Look = .ours
        var last: Look = .ours
        for look in looks {
            try host.kernel.rebind(gpu, to: look.driver)
            let decision = check.check()
            let isPassing = look == .between && last != .between && told != .between
            #expect(decision == (isPassing ? .lookAgain : .goOn))
            if !isPassing, look != told {
                expected.append(look == .ours ? "sound" : "\(gpu) taken by \(look.driver ?? "nobody")")
                told = look
            }
            last = look
        }
        #expect(story.lines == expected)
    }

    @Test("A late framebuffer is evicted, and told again when it comes back")
    func late() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(check.check() == .claimAgain)
        #expect(check.complaints == ["efifb lies in BAR 0 and is to be evicted."])
        // Put off: the same is to be done, and is not told twice.
        #expect(check.check() == .claimAgain)
        #expect(try host.claim().isClaimed)
        check.claimSucceeded()
        #expect(check.check() == .goOn)
        #expect(check.complaints.isEmpty)
        #expect(try !host.folder.text("/proc/iomem").contains("efifb"))
        try bindAgain(host)
        #expect(check.check() == .claimAgain)
        #expect(story.lines == ["late efifb", "late efifb"])
    }

    @Test("An eviction that failed is not tried at every event, and its framebuffer is sound when it has gone")
    func unevictable() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(check.check() == .claimAgain)
        check.claimFailed()
        #expect(check.complaints.count == 2)
        #expect(check.check() == .goOn)
        #expect(check.complaints == ["efifb lies in BAR 0 and could not be evicted."])
        #expect(story.lines == ["late efifb"])
        try host.write("efi-framebuffer.0", to: "/sys/bus/platform/drivers/efi-framebuffer/unbind")
        #expect(check.check() == .goOn)
        #expect(check.complaints.isEmpty)
        #expect(story.lines == ["late efifb", "sound"])
    }

    @Test("A late framebuffer over a card that a guest has is only told, and once; evicted when the guest has gone")
    func lateInUse() throws {
        var (host, check, story) = try guarded {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(check.complaints == ["efifb lies in BAR 0 of a card in use."])
        #expect(story.lines == ["late efifb, in use by [\"qemu-system-x86\"]"])
        try host.kernel.end(900)
        #expect(check.check() == .claimAgain)
        #expect(story.lines.last == "late efifb")
    }

    @Test("A card that does not answer any more is told once, and again when it does")
    func dead() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        let path = "/sys/bus/pci/devices/\(gpu)/config"
        try host.folder.write([UInt8](repeating: 0xff, count: 64), to: path)
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(check.complaints == ["\(gpu) is dead: it does not answer any more."])
        try host.folder.write([UInt8](repeating: 0, count: 64), to: path)
        #expect(check.check() == .goOn)
        #expect(check.complaints.isEmpty)
        #expect(story.lines == ["\(gpu) is dead", "sound"])
    }

    @Test("A card that is taken away is told with its new driver, never fought over, and told when it is back")
    func takenAway() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        let writes = host.writes.count
        // It may be on its way out of the machine, or to another driver.
        #expect(check.check() == .lookAgain)
        #expect(story.lines.isEmpty)
        #expect(check.complaints.isEmpty)
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(check.complaints == ["\(gpu) has no driver."])
        #expect(host.writes.count == writes)
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        #expect(check.check() == .goOn)
        #expect(check.complaints.isEmpty)
        #expect(story.lines == ["\(gpu) taken by nobody", "sound"])
    }

    @Test("A card that is without a driver for a moment is not worth a word")
    func rebound() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        #expect(check.check() == .lookAgain)
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        #expect(check.check() == .goOn)
        #expect(story.lines.isEmpty)
    }

    @Test("A framebuffer that came while someone else had the card is evicted when the card is back")
    func lateWhileTaken() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        #expect(check.check() == .lookAgain)
        try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(check.check() == .goOn)
        #expect(story.lines == ["\(gpu) taken by nobody"])
        try host.write(gpu, to: "/sys/bus/pci/drivers_probe")
        #expect(check.check() == .claimAgain)
        #expect(story.lines == ["\(gpu) taken by nobody", "late efifb"])
    }

    @Test("The guard ends with its card")
    func gone() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        try host.write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        #expect(check.check() == .end)
        #expect(story.lines == ["gone"])
    }

    @Test("What another run does is not reported while it lasts, nor waited for without end")
    func otherRun() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        let address = try #require(PCIAddress(gpu))
        var record = try #require(try host.record(of: address))
        record.state = .releasing
        try host.save(record)
        try host.write(gpu, to: "/sys/bus/pci/drivers/vfio-pci/unbind")
        for _ in 1...60 { #expect(check.check() == .lookAgain) }
        #expect(check.check() == .goOn)
        #expect(story.lines.isEmpty)
    }

    @Test("A release by hand is told, unless the guard ends with it")
    func release() throws {
        var (host, check, story) = try guarded { GPU(gpu) }
        _ = try host.release()
        #expect(check.check() == .lookAgain)
        #expect(story.lines.isEmpty)
        #expect(check.check() == .goOn)
        #expect(check.check() == .goOn)
        #expect(story.lines == ["released by another"])
        #expect(check.complaints.count == 1)
        _ = try host.claim()
        #expect(check.check() == .goOn)
        #expect(story.lines.last == "sound")
    }

    private func bindAgain(_ host: FixtureHost) throws {
        try host.write("\n", to: "/sys/bus/platform/devices/efi-framebuffer.0/driver_override")
        try host.write("efi-framebuffer.0", to: "/sys/bus/platform/drivers/efi-framebuffer/bind")
    }
}
