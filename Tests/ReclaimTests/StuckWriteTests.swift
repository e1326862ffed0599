import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"

/// Writes that never come back from the kernel: each of them is the last one to its card, until its process has ended.
@Suite("Stuck writes")
struct StuckWriteTests {
    @Test(
        "A write of a claim that is stuck is the last one, and recover goes on when it has ended",
        arguments: FaultedPlan.all)
    func claims(_ plan: FaultedPlan) throws {
        for number in 0..<plan.writes {
            let host = try plan.machine()
            let start = try host.folder.state()
            let name: Comment = "\(plan.name), write \(number)"
            let stuck = host.writes.count + number
            host.stuckWrite = stuck
            let outcome = try host.claim(options: plan.options)
            #expect(outcome.stepFailure?.isStuck == true, name)
            #expect(outcome.undo == nil, name)
            let result = try expectRest(host, after: stuck, .claiming, name)
            #expect(result.isComplete || number > plan.losingWrite, name)
            let end = try host.folder.state()
            if result.isComplete { #expect(end == start, name) }
            #expect(plan.card(end) == plan.card(start), name)
        }
    }

    @Test(
        "A write of a release that is stuck is the last one, and recover goes on when it has ended",
        arguments: FaultedPlan.all)
    func releases(_ plan: FaultedPlan) throws {
        let address = try #require(PCIAddress(gpu))
        let whole = try plan.claimed()
        let first = whole.writes.count
        _ = try Releaser(host: whole).release(address)
        for stuck in first..<whole.writes.count {
            let host = try plan.claimed()
            let name: Comment = "\(plan.name), release, write \(stuck - first)"
            host.stuckWrite = stuck
            let outcome = try Releaser(host: host).release(address)
            guard case .failed = outcome.result else {
                Issue.record("\(name): \(outcome.result)")
                continue
            }
            #expect(outcome.restoration.failures.map(\.isStuck) == [true], name)
            try expectRest(host, after: stuck, .releasing, name)
            #expect(try host.folder.state() == whole.folder.state(), name)
        }
    }

    @Test(
        "A write of an undo that is stuck is the last one, and recover goes on when it has ended",
        arguments: FaultedPlan.all)
    func undos(_ plan: FaultedPlan) throws {
        let whole = try plan.machine()
        let first = whole.writes.count + plan.writes
        whole.faults[first - 1] = .fails(.ioError)
        _ = try whole.claim(options: plan.options)
        for stuck in first..<whole.writes.count {
            let host = try plan.machine()
            let name: Comment = "\(plan.name), undo, write \(stuck - first)"
            host.faults[first - 1] = .fails(.ioError)
            host.stuckWrite = stuck
            let outcome = try host.claim(options: plan.options)
            #expect(outcome.stepFailure?.isStuck == false, name)
            #expect(outcome.undo?.failures.map(\.isStuck) == [true], name)
            try expectRest(host, after: stuck, .claiming, name)
            #expect(try host.folder.state() == whole.folder.state(), name)
        }
    }

    @Test(
        "A write of a recover that is stuck is the last one, and the next goes on when it has ended",
        arguments: FaultedPlan.all)
    func recovers(_ plan: FaultedPlan) throws {
        let whole = try killed(plan)
        let first = whole.writes.count
        try recover(whole)
        for stuck in first..<whole.writes.count {
            let host = try killed(plan)
            let name: Comment = "\(plan.name), recover, write \(stuck - first)"
            host.stuckWrite = stuck
            let record = try record(host)
            let result = try #require(try Releaser(host: host).recover(record), name)
            #expect(result.failures.map(\.isStuck) == [true], name)
            try expectRest(host, after: stuck, .claiming, name)
            #expect(try host.folder.state() == whole.folder.state(), name)
        }
    }

    @Test("A write that is stuck on one card keeps nobody from another")
    func otherCard() throws {
        let second = "0000:02:00.0"
        let host = try FixtureHost {
            GPU(gpu, driver: "amdgpu")
            GPU(second, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "amdgpu", group: 2)
        }
        #expect(try host.claim(second).isClaimed)
        host.stuckWrite = host.writes.count + 1
        #expect(try host.claim().stepFailure?.isStuck == true)
        guard case .released = try Releaser(host: host).release(try #require(PCIAddress(second))).result else {
            Issue.record("the other card was not released")
            return
        }
    }

    @Test("Nothing is read behind a stuck write: it may keep what is asked for locked", arguments: FaultedPlan.all)
    func reading(_ plan: FaultedPlan) throws {
        let host = try plan.claimed()
        host.stuckWrite = host.writes.count
        var readings = 0
        let releaser = Releaser(host: host) { event in
            if case .notUndone = event { readings = host.readings }
        }
        _ = try releaser.release(try #require(PCIAddress(gpu)))
        #expect(readings > 0 && host.readings == readings)
    }

    @Test("Where it is not known when the stuck process was started, nobody is waited for")
    func unknownProcess() throws {
        let host = try FaultedPlan.evict.machine()
        host.stuckWrite = 2
        host.isStuckProcessSeen = false
        _ = try host.claim()
        let record = try record(host)
        #expect(record.state == .claiming && record.stuckWrite == nil)
        #expect(try Releaser(host: host).recover(record)?.isComplete == true)
    }

    // MARK: - What comes after it

    private func record(_ host: FixtureHost) throws -> ClaimRecord {
        let address = try #require(PCIAddress(gpu))
        return try #require(try host.record(of: address))
    }

    /// A machine whose claim was killed by its last write.
    private func killed(_ plan: FaultedPlan) throws -> FixtureHost {
        let whole = try plan.machine()
        let last = whole.writes.count + plan.writes - 1
        _ = try whole.claim(options: plan.options)
        let host = try plan.machine()
        host.kill = FixtureHost.Kill(whole.effectsOfWrites[last], isAfter: true)
        _ = try? host.claim(options: plan.options)
        #expect(host.isDead)
        host.revive()
        return host
    }

    @discardableResult
    private func recover(_ host: FixtureHost) throws -> Restoration {
        let record = try record(host)
        return try #require(try Releaser(host: host).recover(record))
    }

    /// Nothing is written after the stuck write, by this run or by another, until its process has ended.
    @discardableResult
    private func expectRest(
        _ host: FixtureHost, after stuck: Int, _ state: ClaimRecord.State, _ name: Comment
    ) throws -> Restoration {
        let address = try #require(PCIAddress(gpu))
        #expect(host.writes.count == stuck + 1, name)
        let record = try #require(try host.record(of: address), name)
        #expect(record.state == state, name)
        #expect(record.stuckWrite?.path == host.writes.last?.path, name)
        #expect(record.stuckWrite?.process == 4711 && record.stuckWrite?.started == 1, name)
        let modules = host.loadedModules
        let said = #expect(throws: ReclaimError.self, name) { try Releaser(host: host).recover(record) }
        #expect(said?.description.contains("pid 4711") == true, name)
        #expect(throws: ReclaimError.self, name) { try Releaser(host: host).release(address) }
        #expect(throws: ReclaimError.self, name) { try Releaser(host: host).release(address, keeps: true) }
        let failure = #expect(throws: ReclaimError.self, name) { try host.claim() }
        #expect(failure?.description.contains("pid 4711") == true, name)
        #expect(host.writes.count == stuck + 1 && host.loadedModules == modules, name)
        #expect(try host.record(of: address) == record, name)
        // The same number for another process does not count.
        host.processes[4711] = 2
        let result = try recover(host)
        #expect(result.failures.isEmpty, name)
        return result
    }
}
