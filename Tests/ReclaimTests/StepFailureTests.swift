import Aperture
import Fixtures
import Reclaim
import Sysfs
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// A plan of one kind, whose every write is made to fail in turn.
struct FaultedPlan: CustomTestStringConvertible {
    var name: String
    var machine: @Sendable () throws -> FixtureHost
    var options = ClaimOptions()
    /// How many writes the plan makes when nothing fails.
    var writes: Int

    var testDescription: String { name }

    static let all = [
        FaultedPlan(
            name: "evict",
            machine: {
                try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.efifb, fb)
                }
            }, writes: 4),
        FaultedPlan(
            name: "rescan",
            machine: {
                try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
                }
            }, writes: 6),
        FaultedPlan(
            name: "bounce",
            machine: {
                try FixtureHost {
                    Kernel("6.1.0-50-amd64")
                    GPU(gpu)
                    FirmwareFramebuffer(.bootSimpledrm, fb)
                }
            },
            options: {
                var options = ClaimOptions()
                options.allowedNativeDrivers = ["bochs"]
                return options
            }(), writes: 8),
        FaultedPlan(
            name: "a whole card with a text console",
            machine: {
                try FixtureHost {
                    Kernel("5.10.0-32-amd64")
                    GPU(gpu, class: 0x030000, driver: "amdgpu", bootVGA: true)
                    Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
                    Console(0, "(S) VGA+", isBound: true)
                    Console(1, "(M) frame buffer device", isBound: false)
                }
            }, writes: 7),
    ]
}

@Suite("A failing step")
struct StepFailureTests {
    @Test("Without a fault every plan ends claimed", arguments: FaultedPlan.all)
    func withoutFault(_ plan: FaultedPlan) throws {
        let host = try plan.machine()
        #expect(try host.claim(options: plan.options).isClaimed)
        #expect(host.writes.count == plan.writes)
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
        host.faults[number] = fault
        let outcome = try host.claim(options: plan.options)
        let failure = try #require(outcome.stepFailure, "write \(number) of \(plan.name)")
        #expect(outcome.performed.last == failure.step)
        #expect(failure.errno == errno)
        let write = host.writes[number]
        let back = try #require(outcome.undo).performed.map(\.path)
        #expect(host.writes[(number + 1)...].map(\.path) == back, "only the way back is written after the failure")
        #expect(failure.step.path == write.path)
        #expect(failure.step.value == write.value)
        #expect(failure.description.contains(write.path))
        #expect(failure.description.contains(failure.step.action.rawValue))
    }
}
