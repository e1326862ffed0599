import Aperture
import Fixtures
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing
import Units
import VFIO

/// Everything that can go wrong with every effect of every kind of plan: the machine ends claimed and proven, or as it
/// was, or what is not is named. And so for the way back, which ends released, or is finished by `recover`.
@Suite("Fault matrix")
struct FaultMatrixTests {
    private static let errnos: [Errno] = [
        .permissionDenied, .resourceBusy, .invalidArgument, .ioError, .noSuchDevice, .noSuchFileOrDirectory, .noSpace,
        .readOnlyFileSystem,
    ]
    private static let faults = errnos.map { FixtureHost.Fault.fails($0) } + [.isIgnored, .isLate, .vanishes]

    // MARK: - A claim

    @Test("Every fault at every write ends in one of the two states, and is named", arguments: FaultedPlan.all)
    func claims(_ plan: FaultedPlan) throws {
        for number in 0..<plan.writes {
            for fault in Self.faults {
                let host = try plan.machine()
                let start = try Start(of: host)
                host.faults[host.writes.count + number] = fault
                let outcome = try host.claim(options: plan.options)
                host.appear()
                let name: Comment = "\(plan.name), write \(number), \(fault)"
                if outcome.isClaimed {
                    try expectProven(outcome, host, name)
                    continue
                }
                let failure = try #require(outcome.stepFailure, name)
                #expect(failure.step == outcome.performed.last, name)
                #expect(failure.description.contains(failure.step.action.rawValue), name)
                #expect(failure.description.contains(failure.step.path), name)
                if case .vanishes = fault {
                    let undo = try #require(outcome.undo, name)
                    // One that the claim itself removed is looked for.
                    let isMissed = undo.failures.map(\.step.action) == [.rescanBus]
                    #expect(isMissed || undo.losses.contains { $0.contains("is gone from the machine") }, name)
                } else {
                    try expectUndone(outcome, host, start, losing: number > plan.losingWrite, name)
                }
            }
        }
        print("fault matrix: claim: \(plan.name): \(plan.writes * Self.faults.count) cases")
    }

    @Test("A record that cannot be written, once or for good, leaves one of the two states", arguments: FaultedPlan.all)
    func records(_ plan: FaultedPlan) throws {
        var cases = 0
        // Before the first write, before each, at the end, and some for modules and for an earlier claim of the machine.
        for number in 0..<(plan.writes + 6) {
            for errno in [Errno.noSpace, .readOnlyFileSystem] {
                for lasts in [false, true] {
                    let host = try plan.machine()
                    let start = try Start(of: host)
                    let first = host.writes.count
                    host.failRecords(from: number, lasting: lasts, errno)
                    let outcome = try host.claim(options: plan.options)
                    let name: Comment = "\(plan.name), record \(number), \(errno), lasts: \(lasts)"
                    cases += 1
                    if outcome.isClaimed {
                        try expectProven(outcome, host, name)
                        continue
                    }
                    guard case .record(.file(_, _, errno)) = try #require(outcome.failure, name) else {
                        Issue.record("\(name): \(outcome.result)")
                        continue
                    }
                    #expect(outcome.undo?.failures.isEmpty ?? true, name)
                    let losses = outcome.undo?.losses.filter { !$0.hasPrefix("The record could not be updated") } ?? []
                    let isLosing = plan.losingWrite < host.effectsOfWrites.count - first
                    #expect(losses.isEmpty || isLosing, name)
                    if losses.isEmpty { #expect(try host.folder.state() == start.files, name) }
                    // Whatever is left of it, the next run finds its way.
                    host.recordFaults = [:]
                    for address in try host.recorded() {
                        let record = try #require(try host.record(of: address), name)
                        #expect(try Releaser(host: host).recover(record)?.failures.isEmpty ?? true, name)
                    }
                    if losses.isEmpty { #expect(try host.folder.state() == start.files, name) }
                    #expect(try host.claim(options: plan.options).failure == nil, name)
                }
            }
        }
        print("fault matrix: record: \(plan.name): \(cases) cases")
    }

    @Test(
        "A module that cannot be loaded is a step that failed", arguments: [FaultedPlan.bounce, .loading, .unloading],
        [nil, 4711])
    func modules(_ plan: FaultedPlan, _ stuck: Int32?) throws {
        let host = try plan.machine()
        let start = try Start(of: host)
        host.moduleError = ModuleError(module: "x", reason: "no such module", stuckProcess: stuck)
        if let stuck { host.processes[stuck] = 1 }
        let outcome = try host.claim(options: plan.options)
        let failure = try #require(outcome.stepFailure)
        #expect(failure.step.action == (plan.name == FaultedPlan.unloading.name ? .unloadModule : .loadDriver))
        #expect(failure.description.contains("no such module"))
        #expect(failure.isStuck == (stuck != nil))
        if stuck == nil {
            try expectUndone(outcome, host, start, losing: false, "\(plan.name)")
        } else {
            // The driver's probe may be what hangs: nothing more is written until modprobe has ended.
            let record = try #require(try host.recorded().first.flatMap(host.record))
            #expect(throws: ReclaimError.self) { try Releaser(host: host).recover(record) }
            host.processes = [:]
            #expect(try Releaser(host: host).recover(record)?.isComplete == true)
            #expect(try host.folder.state() == start.files)
        }
    }

    @Test("A service that does not stop is a step that failed", arguments: ["gdm.service", "persistenced.service"])
    func services(_ unit: String) throws {
        let host = try FaultedPlan.stopping.machine()
        let start = try Start(of: host)
        host.unitErrors = ["stop \(unit)": .failed(status: 1)]
        let outcome = try host.claim(options: FaultedPlan.stopping.options)
        let failure = try #require(outcome.stepFailure)
        #expect(failure.step.action == .stopUnit && failure.step.target == unit)
        #expect(failure.description.contains("systemctl ended with status 1"))
        try expectUndone(outcome, host, start, losing: false, "\(unit)")
    }

    @Test("A failing proof takes everything back")
    func unproven() throws {
        let host = try FaultedPlan.evict.machine()
        let start = try Start(of: host)
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        let outcome = try host.claim()
        #expect(outcome.failure != nil)
        try expectUndone(outcome, host, start, losing: false, "proof")
    }

    // MARK: - A release

    @Test("Every fault at every write of a release is named, and recover finishes it", arguments: FaultedPlan.all)
    func releases(_ plan: FaultedPlan) throws {
        let whole = try plan.claimed()
        let first = whole.writes.count
        #expect(try whole.release().isReleased)
        let end = try whole.folder.state()
        let count = whole.writes.count - first
        for number in 0..<count {
            for fault in Self.faults {
                let host = try plan.claimed()
                host.faults[host.writes.count + number] = fault
                let outcome = try host.release()
                host.appear()
                let name: Comment = "\(plan.name), release, write \(number), \(fault)"
                if outcome.isReleased {
                    if case .vanishes = fault {
                        #expect(outcome.restoration.losses.contains { $0.contains("is gone from the machine") }, name)
                    } else {
                        #expect(try host.folder.state() == end, name)
                    }
                    continue
                }
                let failure = try #require(outcome.restoration.failures.first, name)
                #expect(failure.step.path == host.writes[first + number].path, name)
                #expect(failure.description.contains(failure.step.action.rawValue), name)
                let record = try #require(try host.recorded().first.flatMap(host.record), name)
                #expect(record.state == .releasing, name)
                host.faults = [:]
                let finished = try #require(try Releaser(host: host).recover(record), name)
                #expect(finished.failures.isEmpty, name)
                #expect(try host.recorded().isEmpty, name)
                if case .vanishes = fault {
                    #expect(finished.losses.contains { $0.contains("is gone from the machine") }, name)
                } else {
                    #expect(try host.folder.state() == end, name)
                }
            }
        }
        print("fault matrix: release: \(plan.name): \(count * Self.faults.count) cases")
    }

    @Test("A framebuffer does not come back over a card that vfio-pci would not let go of")
    func notFreed() throws {
        let host = try FaultedPlan.evict.claimed()
        host.faults[host.writes.count] = .fails(.resourceBusy)
        let outcome = try host.release()
        #expect(outcome.restoration.failures.map(\.step.action) == [.unbindDriver])
        #expect(try host.driver(ofDevice: "/sys/bus/platform/devices/efi-framebuffer.0") == nil)
    }

    // MARK: - What they end in

    /// How a machine was before a run.
    private struct Start {
        let files: [String: String]
        let states: [ClaimRecord.State]

        init(of host: FixtureHost) throws {
            files = try host.folder.state()
            states = try host.recorded().compactMap { try host.record(of: $0)?.state }
        }
    }

    private func expectProven(_ outcome: ClaimOutcome, _ host: FixtureHost, _ name: Comment) throws {
        #expect(!outcome.proofs.isEmpty && outcome.proofs.allSatisfy { $0.outcome == .mapped }, name)
        #expect(try host.driver == "vfio-pci", name)
        #expect(try host.recorded().map { try host.record(of: $0)?.state } == [.claimed], name)
    }

    private func expectUndone(
        _ outcome: ClaimOutcome, _ host: FixtureHost, _ start: Start, losing canLose: Bool, _ name: Comment
    ) throws {
        let undo = try #require(outcome.undo, name)
        #expect(undo.failures.isEmpty, name)
        #expect(undo.losses.isEmpty || canLose, name)
        if undo.losses.isEmpty { #expect(try host.folder.state() == start.files, name) }
        #expect(try Start(of: host).states == start.states, name)
    }
}

extension FixtureHost {
    fileprivate func failRecords(from number: Int, lasting: Bool, _ errno: Errno) {
        for number in number..<(lasting ? number + 100 : number + 1) { recordFaults[number] = errno }
    }
}

extension ReleaseOutcome {
    fileprivate var isReleased: Bool { if case .released = result { true } else { false } }
}
