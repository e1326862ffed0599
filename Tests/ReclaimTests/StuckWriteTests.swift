import Aperture
import Fixtures
import Record
import Reclaim
import Testing

/// Writes that never come back from the kernel.
@Suite("Stuck writes")
struct StuckWriteTests {
    @Test("A write that is stuck in the kernel is the last one to that card")
    func stuck() throws {
        let host = try FaultedPlan.evict.machine()
        host.stuckWrite = 2
        let outcome = try host.claim()
        #expect(outcome.stepFailure?.isStuck == true)
        #expect(outcome.undo == nil)
        #expect(host.writes.count == 3)
        #expect(try host.recorded().count == 1, "recover goes on when the kernel has let go")
    }

    @Test("While a write is stuck in the kernel no later run writes to that card, and afterwards recover does")
    func stuckStill() throws {
        let host = try FaultedPlan.evict.machine()
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
        let host = try FaultedPlan.evict.machine()
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
