import Aperture
import Fixtures
import Record
import Reclaim
import Sysfs
import SystemPackage
import Testing
import VFIO

/// Every write of every kind of plan, and everything that can go wrong with it: the machine ends claimed and proven, or
/// as it was, or what is not is named.
@Suite("Fault matrix")
struct FaultMatrixTests {
    private static let faults: [FixtureHost.Fault] =
        [
            .permissionDenied, .resourceBusy, .invalidArgument, .ioError, .noSuchDevice, .noSuchFileOrDirectory,
            .noSpace, .readOnlyFileSystem,
        ].map { FixtureHost.Fault.fails($0) } + [.isIgnored, .isLate, .vanishes]

    @Test("Every fault at every write ends in one of the two states, and is named", arguments: FaultedPlan.all)
    func faults(_ plan: FaultedPlan) throws {
        for number in 0..<plan.writes {
            for fault in Self.faults {
                let host = try plan.machine()
                let start = try host.folder.state()
                host.faults[number] = fault
                let outcome = try host.claim(options: plan.options)
                let name: Comment = "\(plan.name), write \(number), \(fault)"
                if case .vanishes = fault {
                    let undo = try #require(outcome.undo, name)
                    #expect(!undo.isComplete, name)
                } else {
                    try expectSound(outcome, host, start, name)
                }
            }
        }
        print("fault matrix: \(plan.name): \(plan.writes * Self.faults.count) cases")
    }

    private func expectSound(
        _ outcome: ClaimOutcome, _ host: FixtureHost, _ start: [String: String], _ name: Comment
    ) throws {
        if outcome.isClaimed { return }
        let failure = try #require(outcome.failure, name)
        #expect(!failure.description.isEmpty, name)
        let undo = try #require(outcome.undo, name)
        #expect(undo.failures.isEmpty, name)
        if undo.losses.isEmpty {
            #expect(try host.folder.state() == start, name)
        }
        #expect(try host.recorded().isEmpty || !undo.isComplete, name)
    }

    @Test("Only what cannot come back is lost: a removed card's BOOTFB, a dropped platform device, a vanished card")
    func losses() throws {
        for plan in FaultedPlan.all {
            for number in 0..<plan.writes {
                let host = try plan.machine()
                let start = try host.folder.state()
                host.faults[number] = .fails(.ioError)
                let undo = try #require(try host.claim(options: plan.options).undo)
                // A rescan or a bounce is the fifth write's effect at the earliest.
                if plan.name == "evict" || plan.name.hasPrefix("a whole card") || number < 4 {
                    #expect(undo.losses.isEmpty, "\(plan.name), write \(number)")
                    #expect(try host.folder.state() == start, "\(plan.name), write \(number)")
                }
            }
        }
    }

    @Test("A failing proof takes everything back")
    func unproven() throws {
        let host = try FaultedPlan.all[0].machine()
        let start = try host.folder.state()
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        #expect(outcome.failure != nil)
        #expect(outcome.undo?.isComplete == true)
        #expect(try host.folder.state() == start)
    }

    @Test("A write that is stuck in the kernel is the last one to that card")
    func stuck() throws {
        let host = try FaultedPlan.all[0].machine()
        host.stuckWrite = 2
        let outcome = try host.claim()
        #expect(outcome.stepFailure?.isStuck == true)
        #expect(outcome.undo == nil)
        #expect(host.writes.count == 3)
        #expect(try host.recorded().count == 1, "recover goes on when the kernel has let go")
    }

    @Test("While a write is stuck in the kernel no later run writes to that card, and afterwards recover does")
    func stuckStill() throws {
        let host = try FaultedPlan.all[0].machine()
        let start = try host.folder.state()
        host.stuckWrite = 2
        _ = try host.claim()
        let address = try #require(try host.recorded().first)
        let record = try #require(try host.record(of: address))
        #expect(throws: StuckWrite.self) { try Recoverer(host: host).recover(record) }
        #expect(throws: StuckWrite.self) { try Releaser(host: host).release(address) }
        let failure = #expect(throws: ClaimFailure.self) { try host.claim() }
        #expect(failure?.description.contains("pid 4711") == true)
        #expect(host.writes.count == 3)
        // The same number for another process does not count.
        host.processes[4711] = 2
        #expect(try Recoverer(host: host).recover(record)?.isComplete == true)
        #expect(try host.folder.state() == start)
    }

    @Test("A write that gets stuck on the way back is the last one, too")
    func stuckOnTheWayBack() throws {
        let host = try FaultedPlan.all[0].machine()
        let start = try host.folder.state()
        _ = try host.claim()
        let address = try #require(try host.recorded().first)
        host.stuckWrite = host.writes.count
        let outcome = try Releaser(host: host).release(address)
        #expect(outcome.restoration.failures.count == 1)
        let record = try #require(try host.record(of: address))
        #expect(throws: StuckWrite.self) { try Recoverer(host: host).recover(record) }
        #expect(host.writes.count == (host.stuckWrite ?? 0) + 1)
        host.processes = [:]
        #expect(try Recoverer(host: host).recover(record)?.isComplete == true)
        #expect(try host.folder.state() == start)
    }
}
