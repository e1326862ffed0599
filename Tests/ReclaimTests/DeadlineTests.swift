import Aperture
import Fixtures
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
private let vendor = "/sys/bus/pci/devices/\(gpu)/vendor"

/// How long is waited, on a host whose pauses take no time.
@Suite("Deadlines")
struct DeadlineTests {
    /// A framebuffer whose node nobody ever closes.
    private func held() throws -> FixtureHost {
        let host = try FaultedPlan.evict.machine()
        host.kernel.heldForPauses = .max
        return host
    }

    private func record(_ host: FixtureHost) throws -> ClaimRecord {
        let address = try #require(PCIAddress(gpu))
        return try #require(try host.record(of: address))
    }

    @Test(
        "A claim waits for a framebuffer as long as it was told to, to the millisecond",
        arguments: [0, 1, 100, 250, 1000])
    func claim(_ deadline: Int32) throws {
        let host = try held()
        var settings = Claimer<FixtureHost>.Settings()
        settings.releaseDeadline = deadline
        let outcome = try Claimer(host: host, settings: settings).claim(try #require(PCIAddress(gpu)))
        let failure = try #require(outcome.stepFailure)
        #expect(failure.step.action == .awaitRelease)
        #expect(failure.description.contains("is still in /proc/iomem after \(deadline) ms"))
        // The undo waits as long, for the same one.
        #expect(outcome.undo?.failures.map(\.step.action) == [.awaitRelease])
        #expect(host.paused == 2 * Int(deadline))
        // Looked at every 100 ms.
        #expect(host.pauses == 2 * ((Int(deadline) + 99) / 100))
    }

    @Test("Who is told nothing waits for ten seconds")
    func defaults() throws {
        #expect(Claimer<FixtureHost>.Settings().releaseDeadline == 10_000)
        let host = try held()
        _ = try host.claim()
        let before = host.paused
        _ = try Releaser(host: host).recover(try record(host))
        #expect(host.paused - before == 10_000)
    }

    @Test("A claim recovers from an earlier one within its own deadline")
    func settling() throws {
        let host = try held()
        _ = try host.claim()
        let before = host.paused
        #expect(throws: ReclaimError.self) { try host.claim() }
        #expect(host.paused - before == 1000)
    }

    @Test("One write may take thirty seconds, unless another deadline is given")
    func writes() {
        #expect(MachineHost(tree: FileTree(root: "/")).writeDeadline == 30_000)
        #expect(MachineHost(tree: FileTree(root: "/"), writeDeadline: 1).writeDeadline == 1)
    }

    @Test("A card whose files are not all there yet is looked at for two seconds", arguments: [0, 18, 19, nil])
    func appearing(_ appearance: Int?) throws {
        let host = try FaultedPlan.evict.claimed()
        var record = try record(host)
        record.state = .releasing
        let text = try host.folder.text(vendor)
        try host.folder.remove(vendor)
        host.beforePause = { number in
            guard number == appearance else { return }
            do {
                try host.folder.write(text, to: vendor)
            } catch {
                Issue.record(error)
            }
        }
        if let appearance, appearance < 19 {
            #expect(try Releaser(host: host).recover(record)?.isComplete == true)
            #expect(host.pauses == appearance + 1)
        } else {
            #expect(throws: ReclaimError.self) { try Releaser(host: host).recover(record) }
            #expect(host.pauses == 19)
            #expect(host.writes.count == FaultedPlan.evict.writes)
        }
        #expect(host.paused == 100 * host.pauses)
    }

    @Test("A card that cannot be read for another reason is not waited for")
    func unreadable() throws {
        let host = try FaultedPlan.evict.claimed()
        var record = try record(host)
        record.state = .releasing
        try host.folder.write("nonsense\n", to: vendor)
        #expect(throws: ReclaimError.self) { try Releaser(host: host).recover(record) }
        #expect(host.pauses == 0)
    }
}
