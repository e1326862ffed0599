import Aperture
import apertured
import Fixtures
import Foundation
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
/// Testing has one as well.
private typealias Status = apertured.ExitStatus

/// The statuses that scripts and the units go by.
@Suite("Exit statuses")
struct ExitStatusTests {
    private static let refusal = Refusal(.inUse, "The card is in use.", remedy: "Stop the guest.")

    private static func failure(_ step: PlanStep) -> StepFailure {
        StepFailure(step: step, errno: .ioError, found: "nothing")
    }

    private static func stuck(_ step: PlanStep) -> StepFailure {
        StepFailure(step: step, errno: .timedOut, found: "nothing", stuckProcess: 4711)
    }

    /// What came of going back, and the status that says so.
    fileprivate struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let status: Status
        /// What is different from a way back with nothing to do; with some step.
        let change: @Sendable (inout Restoration, PlanStep) -> Void

        init(
            _ description: String, _ status: Status, _ change: @escaping @Sendable (inout Restoration, PlanStep) -> Void
        ) {
            testDescription = description
            self.status = status
            self.change = change
        }
    }

    private static let rows = [
        Row("nothing was to be done", .done) { _, _ in },
        Row("all of it was done", .done) { $0.performed = [$1, $1] },
        Row("something is lost", .notRestored) { result, _ in result.losses = ["BAR 0 has moved."] },
        Row("something is lost, the rest was done", .notRestored) {
            $0.performed = [$1]
            $0.losses = ["BAR 0 has moved."]
        },
        Row("refused before anything was written", .refused) { result, _ in result.refusals = [refusal] },
        Row("refused before anything was written, and something is lost", .refused) { result, _ in
            result.refusals = [refusal]
            result.losses = ["BAR 0 has moved."]
        },
        Row("refused after steps were made", .notRestored) {
            $0.performed = [$1]
            $0.refusals = [refusal]
        },
        Row("a step failed", .notRestored) {
            $0.performed = [$1]
            $0.failures = [failure($1)]
        },
        Row("a write is stuck", .failed) {
            $0.performed = [$1]
            $0.failures = [stuck($1)]
        },
        Row("a write is stuck after another failed", .failed) {
            $0.performed = [$1, $1]
            $0.failures = [failure($1), stuck($1)]
        },
        Row("a write is stuck, and something is lost", .failed) {
            $0.performed = [$1]
            $0.failures = [stuck($1)]
            $0.losses = ["BAR 0 has moved."]
        },
        Row("a write is stuck, and the next plan refuses", .failed) {
            $0.performed = [$1]
            $0.failures = [stuck($1)]
            $0.refusals = [refusal]
        },
        Row("the machine could no longer be read", .notRestored) {
            $0.performed = [$1]
            $0.interruption = .snapshot(.device(gpu, reason: "it makes no sense"))
        },
    ]

    @Test("What came of going back has its status", arguments: rows)
    fileprivate func restoration(_ row: Row) throws {
        let snapshot = try FixtureHost { GPU(gpu) }.snapshot(withHolders: false)
        let plan = Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot)
        // Its initialiser is the module's own.
        var restoration = ReleaseOutcome(result: .failed).restoration
        row.change(&restoration, try #require(plan.steps.first))
        #expect(Status(restoration) == row.status)
    }

    @Test("The numbers are those that the manual names, and the greater is the worse")
    func numbers() {
        let all: [Status] = [.done, .failed, .usage, .refused, .notRestored, .gone]
        #expect(all.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
        #expect(all.sorted() == all)
        #expect(max(Status.refused, .failed) == .refused)
    }

    // MARK: - The program

    /// A machine of plain files, which do not react, in some state; what is run there, and how it ends.
    struct Run: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let status: Int32
        let command: [String]
        let machine: @Sendable () throws -> FixtureHost

        init(
            _ description: String, _ status: Int32, _ command: String...,
            machine: @escaping @Sendable () throws -> FixtureHost
        ) {
            testDescription = "\(command.joined(separator: " ")): \(description)"
            self.status = status
            self.command = command
            self.machine = machine
        }
    }

    private static func claimed(_ state: ClaimRecord.State? = nil) throws -> FixtureHost {
        let host = try FixtureHost { GPU(gpu) }
        let address = try #require(PCIAddress(gpu))
        _ = try Claimer(host: host).claim(address)
        guard let state else { return host }
        var record = try #require(try host.record(of: address))
        record.state = state
        try host.save(record)
        return host
    }

    /// A write of an earlier run is stuck; its process lives, as this one does.
    private static func stuck() throws -> FixtureHost {
        let host = try claimed(.claiming)
        var record = try #require(try host.recorded().first.flatMap(host.record))
        let process = ProcessInfo.processInfo.processIdentifier
        let started = try #require(MachineHost(tree: FileTree(root: "/")).startTime(ofProcess: process))
        record.stuckWrite = ClaimRecord.StuckWrite(path: "/sys/x", process: process, started: started)
        try host.save(record)
        return host
    }

    private static func inUse(_ state: ClaimRecord.State? = nil) throws -> FixtureHost {
        let host = try claimed(state)
        try host.folder.write("qemu\n", to: "/proc/900/comm")
        try host.folder.makeFolder("/proc/900/fd")
        try host.folder.symlink("/proc/900/fd/7", destination: "/dev/vfio/1")
        return host
    }

    /// The card is gone, and its record is there.
    private static func gone(_ state: ClaimRecord.State? = nil) throws -> FixtureHost {
        let host = try claimed(state)
        try host.write("1", to: "/sys/bus/pci/devices/\(gpu)/remove")
        return host
    }

    static let runs = [
        Run("the card was never claimed", 3, "release", gpu) { try FixtureHost { GPU(gpu) } },
        // vfio-pci's unbind does nothing here, and the read-back tells.
        Run("a step fails", 4, "release", gpu) { try claimed() },
        Run("the card is kept", 0, "release", gpu, "--keep") { try claimed() },
        Run("a guest has the card", 3, "release", gpu) { try inUse() },
        Run("the card is gone, which is said", 0, "release", gpu) { try gone() },
        Run("a write is stuck", 1, "release", gpu) { try stuck() },
        Run("nothing is to be done", 0, "recover") { try claimed() },
        Run("a step fails", 4, "recover") { try claimed(.releasing) },
        Run("a guest has the card", 3, "recover") { try inUse(.claiming) },
        Run("the card is gone", 4, "recover") { try gone(.releasing) },
        Run("a write is stuck", 1, "recover") { try stuck() },
        Run("an earlier run cannot be recovered", 4, "claim", gpu) { try claimed(.releasing) },
        Run("a write of an earlier run is stuck", 1, "claim", gpu) { try stuck() },
        Run("nothing is to be done, and no proof is wanted", 0, "claim", gpu, "--no-verify") { try claimed() },
        Run("nothing is to be done, and the proof fails", 1, "claim", gpu) { try claimed() },
        Run("a standing claim", 0, "post-stop", gpu) { try claimed() },
        Run("a step fails", 4, "post-stop", gpu) { try claimed(.releasing) },
        Run("a guest has the card", 3, "post-stop", gpu) { try inUse(.releasing) },
        Run("a write is stuck", 1, "post-stop", gpu) { try stuck() },
        Run("there is no such device", 3, "verify", "0000:09:00.0") { try claimed() },
        Run("there is no such device", 3, "plan", "0000:09:00.0") { try claimed() },
    ]

    @Test("Every end of a command has its status", arguments: runs)
    func end(_ run: Run) throws {
        let host = try run.machine()
        let result = try CommandLine.run(run.command + ["--root", host.folder.path])
        #expect(result.status == run.status, "\(result.output)\(result.errors)")
        // What fails says why.
        #expect(run.status == 0 || !result.errors.isEmpty)
    }

    @Test("Of several cards the worst status is the end of recover")
    func several() throws {
        let second = "0000:02:00.0"
        let host = try FixtureHost {
            GPU(gpu)
            GPU(second, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
        }
        for (card, state) in [(gpu, ClaimRecord.State.releasing), (second, .claimed)] {
            let address = try #require(PCIAddress(card))
            _ = try Claimer(host: host).claim(address)
            var record = try #require(try host.record(of: address))
            record.state = state
            try host.save(record)
        }
        #expect(try CommandLine.run("recover", "--root", host.folder.path).status == 4)
        #expect(try CommandLine.run("recover", second, "--root", host.folder.path).status == 0)
    }
}
