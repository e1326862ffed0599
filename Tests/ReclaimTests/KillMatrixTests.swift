import Aperture
import Fixtures
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"

/// SIGKILL before and after every effect, then `recover`. Losses are allowed where the write was made that loses, and nowhere
/// before; the card itself is always as it was.
@Suite("Kill matrix")
struct KillMatrixTests {
    @Test("A claim killed at any instant is recovered by recover, and can be made again", arguments: FaultedPlan.all)
    func claims(_ plan: FaultedPlan) throws {
        let whole = try plan.machine()
        let first = whole.writes.count
        _ = try whole.claim(options: plan.options)
        let losing = losingEffect(plan, whole, first)
        let kills = FixtureHost.Kill.all(in: 0..<whole.effects)
        for kill in kills {
            let host = try plan.machine()
            let start = try host.folder.state()
            host.kill = kill
            _ = try? host.claim(options: plan.options)
            let name: Comment = "\(plan.name), \(kill)"
            #expect(host.isDead, name)
            host.revive()
            try recover(host, plan, start, losing: kill.makes(losing), name)
            let again = try host.claim(options: plan.options)
            #expect(again.failure == nil, name)
        }
        print("kill matrix: claim: \(plan.name): \(kills.count) cases")
    }

    @Test("An undo killed at any instant is finished by recover, and so is a recover", arguments: FaultedPlan.all)
    func undos(_ plan: FaultedPlan) throws {
        let whole = try failing(plan)
        let base = whole.writes.count
        _ = try whole.claim(options: plan.options)
        let first = whole.effectsOfWrites[base + plan.writes - 1] + 1
        let losing = losingEffect(plan, whole, base)
        let kills = FixtureHost.Kill.all(in: first..<whole.effects)
        for kill in kills {
            let host = try failing(plan)
            let start = try host.folder.state()
            host.kill = kill
            _ = try? host.claim(options: plan.options)
            let name: Comment = "\(plan.name), undo, \(kill)"
            #expect(host.isDead, name)
            host.revive()
            // The first one gets as far as its second effect.
            host.kill = FixtureHost.Kill(1, isAfter: kill.isAfter)
            for address in try host.recorded() {
                let record = try #require(try host.record(of: address), name)
                _ = try? Releaser(host: host).recover(record)
            }
            host.revive()
            // The last write of the claim failed, and lost nothing.
            try recover(host, plan, start, losing: losing != first - 1 && kill.makes(losing), name)
        }
        print("kill matrix: undo: \(plan.name): \(kills.count) cases")
    }

    /// Which effect of a claim is the write that loses something.
    private func losingEffect(_ plan: FaultedPlan, _ host: FixtureHost, _ first: Int) -> Int {
        plan.losingWrite == .max ? .max : host.effectsOfWrites[first + plan.losingWrite]
    }

    /// A machine whose claim fails at its last write.
    private func failing(_ plan: FaultedPlan) throws -> FixtureHost {
        let host = try plan.machine()
        host.faults[host.writes.count + plan.writes - 1] = .fails(.ioError)
        return host
    }

    @Test("A release killed at any instant is finished by recover", arguments: FaultedPlan.all)
    func releases(_ plan: FaultedPlan) throws {
        let address = try #require(PCIAddress(gpu))
        let whole = try plan.claimed()
        _ = try Releaser(host: whole).release(address)
        let kills = FixtureHost.Kill.all(in: 0..<whole.effects)
        for kill in kills {
            let host = try plan.claimed()
            host.kill = kill
            _ = try? Releaser(host: host).release(address)
            let name: Comment = "\(plan.name), \(kill)"
            #expect(host.isDead, name)
            host.revive()
            for address in try host.recorded() {
                let record = try #require(try host.record(of: address))
                let result = try Releaser(host: host).recover(record)
                #expect(result?.failures.isEmpty ?? true, name)
            }
            // Killed before its first effect, a release has not begun: the claim stands.
            let isReleased = try host.recorded().isEmpty
            #expect(isReleased || kill.effect == 0, name)
            if isReleased { #expect(try host.folder.state() == whole.folder.state(), name) }
        }
        print("kill matrix: release: \(plan.name): \(kills.count) cases")
    }

    /// After it, the machine is as it was, or claimed, or what is not is named.
    private func recover(
        _ host: FixtureHost, _ plan: FaultedPlan, _ start: [String: String], losing canLose: Bool, _ name: Comment
    ) throws {
        var isWhole = !canLose
        for address in try host.recorded() {
            let record = try #require(try host.record(of: address), name)
            let result = try Releaser(host: host).recover(record)
            guard record.state != .claimed else {
                // All of the claim was made, or nothing of this one yet.
                #expect(result == nil, name)
                #expect(try host.driver == "vfio-pci", name)
                return
            }
            let restored = try #require(result, name)
            #expect(restored.failures.isEmpty, name)
            #expect(restored.losses.isEmpty || canLose, name)
            isWhole = restored.losses.isEmpty
            #expect(try host.record(of: address)?.state == (record.wasClaimed ? .claimed : nil), name)
        }
        let end = try host.folder.state()
        if isWhole { #expect(end == start, name) }
        #expect(plan.card(end) == plan.card(start), name)
    }
}

extension FixtureHost.Kill {
    /// Whether the effect is made before the process ends.
    fileprivate func makes(_ effect: Int) -> Bool { effect < self.effect || effect == self.effect && isAfter }
}
