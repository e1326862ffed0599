import Aperture
import Record
import Testing

@Suite("Claim record")
struct ClaimRecordTests {
    private func record(_ marks: [PlanStep.Action]) throws -> ClaimRecord {
        let gpu = try #require(PCIAddress("0000:01:00.0"))
        let prior = PriorState(functions: [], framebuffers: [], consoles: [1])
        let start = PriorState(functions: [], framebuffers: [], consoles: [])
        return ClaimRecord(
            gpu: gpu, state: .claiming, prior: prior, start: start, wasClaimed: true, nativeDrivers: ["bochs-drm"],
            unloadedModules: ["nvidia"],
            marks: marks.map { .init(action: $0.rawValue, target: "x", path: "/sys/y", value: "1") },
            stuckWrite: .init(path: "/sys/y", process: 4711, started: 1), device: 7)
    }

    @Test("A claim that stands has nothing of its run but what a release needs")
    func standing() throws {
        let run = try record([.setDriverOverride, .removeDevice])
        var expected = run
        expected.state = .claimed
        expected.marks = []
        expected.nativeDrivers = []
        expected.stuckWrite = nil
        expected.device = 8
        #expect(run.standing(of: 8) == expected)
    }

    @Test("A complete claim has the time of its first completion, and of its last proof")
    func completed() throws {
        let first = try record([.removeDevice]).completed(at: 100, bars: 2, by: "a.service", device: 8)
        var expected = try record([]).standing(of: 8)
        (expected.since, expected.proof, expected.unit) = (100, .init(time: 100, bars: 2), "a.service")
        #expect(first == expected)
        let again = first.completed(at: 200, bars: 3, by: nil, device: 8)
        (expected.proof, expected.unit) = (.init(time: 200, bars: 3), nil)
        #expect(again == expected)
        expected.proof = nil
        #expect(again.completed(at: 300, bars: nil, by: nil, device: 8) == expected)
    }

    @Test("The services of the claim stay with it, and those of the run are told from its marks")
    func services() throws {
        var run = try record([.setDriverOverride])
        run.stoppedUnits = ["a.service", "b.service"]
        run.marks.append(.init(action: "stop-unit", target: "b.service", path: "/x", value: "stop b.service"))
        #expect(run.unitsStoppedByRun == ["b.service"])
        let standing = run.completed(at: 1, bars: nil, by: nil, device: 7)
        #expect(standing.stoppedUnits == ["a.service", "b.service"] && standing.unitsStoppedByRun.isEmpty)
    }

    @Test("A record is about its own device, unless its run removed that", arguments: [7, 8, nil] as [UInt64?])
    func stale(_ device: UInt64?) throws {
        #expect(try record([.setDriverOverride, .rescanBus]).isStale(for: device) == (device != 7))
        #expect(try !record([.setDriverOverride, .removeDevice]).isStale(for: device))
        #expect(try record([.removeDevice]).hasRemovedCard)
        #expect(try !record([.rescanBus, .unbindDriver]).hasRemovedCard)
        #expect(try record([.removeDevice]).standing(of: 7).isStale(for: device) == (device != 7))
    }
}
