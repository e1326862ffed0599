import Aperture
import Fixtures
import KernelFiles
import Reclaim
import Report
import SystemPackage
import Testing

/// What `report` takes from a machine is all that a plan of it needs.
struct FieldReportTests {
    @Test(arguments: FieldCase.all)
    func `the plan below an unpacked report is the machine's`(_ row: FieldCase) throws {
        let address = try #require(PCIAddress(row.gpu))
        let machine = try row.machine()
        for gpu in [address, nil] {
            let survey = Survey(of: FileTree(root: FilePath(machine.folder.path)), gpu: gpu)
            let report = try UnpackedReport(survey.entries(version: "0", [], missing: []))
            let host = MachineHost(tree: FileTree(root: FilePath(report.path)), lockDeadline: nil)
            try expectSame(
                Planner.plan(
                    for: address, in: try machine.snapshot(.claim(address), withHolders: true), options: row.options),
                Planner.plan(
                    for: address, in: try host.snapshot(.claim(address), withHolders: true), options: row.options))
            // Of the status.
            for scope in gpu == nil ? [SnapshotScope.all, .watch(address)] : [.watch(address)] {
                try expectSame(
                    Planner.plan(for: address, in: try machine.snapshot(scope, withHolders: false)),
                    Planner.plan(for: address, in: try host.snapshot(scope, withHolders: false)))
            }
        }
    }

    private static let gpu = "0000:01:00.0"

    /// Whoever has its framebuffer open counts.
    private static func withFramebuffer() throws -> FixtureHost {
        try FixtureHost {
            Kernel("5.10.0-fixture")
            GPU(gpu)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
        }
    }

    /// The refusals of a claim below a report of the machine, and those of the machine.
    private func refusals(
        of machine: FixtureHost, named: Bool = true
    ) throws -> (report: [Refusal], machine: [Refusal]) {
        let address = try #require(PCIAddress(Self.gpu))
        let survey = Survey(of: FileTree(root: FilePath(machine.folder.path)), gpu: named ? address : nil)
        let report = try UnpackedReport(survey.entries(version: "0", [], missing: []))
        let host = MachineHost(tree: FileTree(root: FilePath(report.path)), lockDeadline: nil)
        return (
            Planner.plan(for: address, in: try host.snapshot(.claim(address), withHolders: true)).refusals,
            Planner.plan(for: address, in: try machine.snapshot(.claim(address), withHolders: true)).refusals
        )
    }

    @Test(arguments: [false, true]) func `processes that /proc hides stay hidden, and shown ones stay shown`(
        _ isShown: Bool
    ) throws {
        let machine = try Self.withFramebuffer()
        var files = HostFiles(machine.folder)
        try files.mount("0:5", "/proc", "proc", "proc", options: "rw,hidepid=2")
        if isShown { try machine.folder.makeFolder("/proc/1/fd") }
        let found = try refusals(of: machine)
        #expect(found.report == found.machine)
        #expect(found.machine.map(\.code) == (isShown ? [] : [.holdersUnknown]))
    }

    @Test func `a process of another name space is one below the report too`() throws {
        let machine = try Self.withFramebuffer()
        try machine.folder.makeFolder("/proc/self/ns")
        try machine.folder.symlink("/proc/self/ns/pid", destination: "pid:[4026532999]")
        let found = try refusals(of: machine)
        #expect(found.report == found.machine)
        #expect(found.machine.map(\.code) == [.holdersUnknown])
    }

    @Test func `a card that sleeps is asked for its configuration only when it is named`() throws {
        let machine = try FixtureHost { GPU(Self.gpu, configuration: [UInt8](repeating: 0xff, count: 64)) }
        try machine.folder.write("D3hot\n", to: "/sys/bus/pci/devices/\(Self.gpu)/power_state")
        let named = try refusals(of: machine)
        #expect(named.machine.map(\.code) == [.deadDevice])
        #expect(named.report == named.machine)
        #expect(try refusals(of: machine, named: false).report.isEmpty)
    }

    private func expectSame(_ plan: Plan, _ other: Plan) throws {
        #expect(plan.verdict == other.verdict)
        #expect(plan.gpu == other.gpu)
        #expect(plan.functions == other.functions)
        #expect(plan.refusals == other.refusals)
        #expect(plan.steps == other.steps)
        #expect(plan.conflicts == other.conflicts)
        #expect(plan.attributions == other.attributions)
        #expect(plan.drivers == other.drivers)
        #expect(plan.choices == other.choices)
        #expect(plan.warnings == other.warnings)
        #expect(plan.notices == other.notices)
    }
}
