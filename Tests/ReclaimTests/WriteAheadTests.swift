import Aperture
import Fixtures
import Reclaim
import Record
import Testing

private let gpu = "0000:01:00.0"

/// What the record says when a write is made: a process that is killed by it leaves that behind.
@Suite("Write-ahead")
struct WriteAheadTests {
    @Test(
        "Every write of a claim is in the record before it is made, and so is what it needs", arguments: FaultedPlan.all
    )
    func claims(_ plan: FaultedPlan) throws {
        let host = try plan.machine()
        let address = try #require(PCIAddress(gpu))
        var writes = 0
        host.beforeWrite = { path, value in
            let name: Comment = "\(plan.name), write \(writes) to \(path)"
            writes += 1
            do {
                let record = try #require(try host.record(of: address), name)
                #expect(record.state == .claiming, name)
                // A wait is a step, and no write.
                let waits = [PlanStep.Action.awaitRelease, .awaitClose].map(\.rawValue)
                #expect(record.marks.count { !waits.contains($0.action) } == writes, name)
                #expect(record.marks.last?.path == path, name)
                #expect(record.marks.last?.value == value, name)
                let action = record.marks.last?.action
                if action == PlanStep.Action.removeDevice.rawValue { #expect(record.hasRemovedCard, name) }
                if action == PlanStep.Action.bindNative.rawValue {
                    #expect(record.nativeDrivers == ["bochs-drm"], name)
                }
                if action == PlanStep.Action.stopUnit.rawValue {
                    #expect(record.stoppedUnits.last.map { "stop \($0)" } == value, name)
                }
                if action == PlanStep.Action.unloadModule.rawValue {
                    #expect(record.unloadedModules.last.map(KernelPath.module) == path, name)
                }
            } catch {
                Issue.record(error, name)
            }
        }
        #expect(try host.claim(options: plan.options).isClaimed)
        #expect(writes >= plan.writes)
    }

    @Test("Every write of a release is made under a record that says so", arguments: FaultedPlan.all)
    func releases(_ plan: FaultedPlan) throws {
        let host = try plan.claimed()
        let address = try #require(PCIAddress(gpu))
        var states: Set<ClaimRecord.State?> = []
        host.beforeWrite = { _, _ in
            do {
                states.insert(try host.record(of: address)?.state)
            } catch {
                Issue.record(error)
            }
        }
        _ = try host.release()
        #expect(states == [.releasing])
    }

    @Test(
        "A claim saves its record before it begins, before every step, and when it stands", arguments: FaultedPlan.all)
    func saves(_ plan: FaultedPlan) throws {
        let host = try plan.machine()
        var steps = 0
        let address = try #require(PCIAddress(gpu))
        let claimer = Claimer(host: host, settings: settings(plan)) { event in
            if case .stepping = event { steps += 1 }
        }
        let effects = host.effects
        #expect(try claimer.claim(address).isClaimed)
        // A wait has no effect but its mark.
        let waits = ["a framebuffer that is held", FaultedPlan.stopping.name].contains(plan.name) ? 1 : 0
        #expect(host.effects - effects == 2 * steps - waits + 2)
        let record = try #require(try host.record(of: address))
        #expect(record.state == .claimed)
        #expect(record.marks.isEmpty && record.nativeDrivers.isEmpty && record.stuckWrite == nil)
        #expect(record.device == host.identity(ofDevice: "/sys/bus/pci/devices/\(gpu)"))
    }

    private func settings(_ plan: FaultedPlan) -> Claimer<FixtureHost>.Settings {
        var settings = Claimer<FixtureHost>.Settings()
        settings.options = plan.options
        settings.releaseDeadline = 1000
        return settings
    }
}
