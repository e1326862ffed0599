import Aperture
import Testing

@Suite("Real machines")
struct SampleTests {
    @Test("Every sample is there")
    func samplesAreThere() {
        #expect(Sample.all.count == 21)
        #expect(Sample.all.allSatisfy { !$0.iomem.isEmpty })
    }

    @Test("A sample's conflicts are found, each entry of them and nothing else", arguments: Sample.all)
    func conflicts(of sample: Sample) throws {
        let plan = try Self.plan(sample)
        guard let expected = sample.conflicts else {
            #expect(plan.refusals.contains { $0.code == .iomemMasked })
            #expect(plan.verdict == .refused)
            return
        }
        let found = plan.conflicts.flatMap { conflict in
            ([conflict.entry] + conflict.enclosing).map {
                Sample.Expected(bar: conflict.bar, range: $0.range, owner: $0.name)
            }
        }
        #expect(Set(found) == Set(expected))
        #expect(plan.refusals == [])
        #expect(plan.conflicts.isEmpty == !(sample.blocks ?? false))
    }

    @Test("Whether an unbind is enough is foreseen", arguments: Sample.all.filter { $0.unbindIsEnough != nil })
    func unbind(of sample: Sample) throws {
        let conflicts = try Self.plan(sample).conflicts
        #expect(!conflicts.isEmpty)
        #expect(conflicts.allSatisfy { $0.residue == nil && !$0.isHeld } == sample.unbindIsEnough)
    }

    private static func plan(_ sample: Sample) throws -> Plan {
        var snapshot = Snapshot()
        let address = try #require(sample.address ?? PCIAddress("0000:00:02.0"))
        snapshot.functions = [
            PCIFunction(
                address: address, pciClass: PCIClass(rawValue: sample.address == nil ? 0x030000 : sample.pciClass),
                vendor: 0x1234, device: 0x1111, driver: sample.driver, driverOverride: nil, bootVGA: nil,
                iommuGroup: IOMMUGroup(number: 1, members: []),
                resources: ResourceTable(memoryBARs: sample.bars, rom: nil))
        ]
        snapshot.platformFramebuffers = sample.platform
        snapshot.vfioDriver = .registered
        // New enough for every rung: the question here is what is found.
        snapshot.kernel = KernelRelease("7.2.0")
        let entries = try Iomem.parse(sample.iomem)
        snapshot.memoryMap = Iomem.isMasked(entries) ? .masked : .entries(IomemTree(entries))
        return Planner.plan(for: address, in: snapshot)
    }
}
