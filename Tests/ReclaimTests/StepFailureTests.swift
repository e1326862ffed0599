import Aperture
import Fixtures
import KernelFiles
import Reclaim
import SystemPackage
import Testing

@Suite("A failing step")
struct StepFailureTests {
    @Test("Without a fault every plan ends claimed", arguments: FaultedPlan.all)
    func withoutFault(_ plan: FaultedPlan) throws {
        let host = try plan.machine()
        let before = host.writes.count
        #expect(try host.claim(options: plan.options).isClaimed)
        #expect(host.writes.count == before + plan.writes)
    }

    @Test("An errno stops the claim at its step, which is named with path, value and errno", arguments: FaultedPlan.all)
    func errno(_ plan: FaultedPlan) throws {
        for number in 0..<plan.writes {
            for errno in [Errno.permissionDenied, .resourceBusy, .ioError, .noSuchDevice, .invalidArgument] {
                try expectStop(plan, at: number, .fails(errno), errno: errno)
            }
        }
    }

    @Test("A write that is accepted and does nothing is found by reading back", arguments: FaultedPlan.all)
    func ignored(_ plan: FaultedPlan) throws {
        for number in 0..<plan.writes {
            try expectStop(plan, at: number, .isIgnored, errno: nil)
        }
    }

    private func expectStop(
        _ plan: FaultedPlan, at number: Int, _ fault: FixtureHost.Fault, errno: Errno?
    ) throws {
        let host = try plan.machine()
        let number = host.writes.count + number
        host.faults[number] = fault
        let outcome = try host.claim(options: plan.options)
        let failure = try #require(outcome.stepFailure, "write \(number) of \(plan.name)")
        #expect(outcome.performed.last == failure.step)
        #expect(failure.errno == errno)
        let write = host.writes[number]
        // A module that is loaded again is no write, and a service that is started again none either.
        let programs = [KernelPath.modprobe, KernelPath.systemctl]
        let back = try #require(outcome.undo).performed.map(\.path).filter { !programs.contains($0) }
        #expect(host.writes[(number + 1)...].map(\.path) == back, "only the way back is written after the failure")
        #expect(failure.step.path == write.path)
        #expect(failure.step.value == write.value)
        #expect(failure.description.contains(write.path))
        #expect(failure.description.contains(failure.step.action.rawValue))
    }
}
