import Aperture
import Fixtures
import Testing

@Suite("Diagnosis")
struct DiagnosisTests {
    @Test("Each finding, in the state that it tells of and in those that it does not", arguments: DiagnosisRow.all)
    func row(_ row: DiagnosisRow) throws {
        let host = try row.machine.make()
        let snapshot = try host.snapshot(withHolders: true)
        let address = try #require(DiagnosisRow.gpu)
        var facts = HostFacts()
        row.facts(&facts)
        let plan = Planner.plan(for: address, in: snapshot)
        let all =
            Diagnosis.findings(on: plan, in: snapshot, facts) + Diagnosis.findings(onMachineOf: snapshot, facts)
        let found = all.filter { $0.id == row.name.rawValue }
        // A note among several findings of a name is the one that tells.
        let worst = found.first { $0.mark == .note } ?? found.first { $0.mark == row.mark } ?? found.first
        #expect(worst?.mark == row.mark, "\(found)")
        let words = found.map { "\($0.subject): \($0.statement) \($0.remedy ?? "")" }.joined(separator: "\n")
        for word in row.says { #expect(words.contains(word), "\(words)") }
        #expect(host.writes.isEmpty)
    }

    @Test("Every finding has rows, and differs between them", arguments: Finding.Name.allCases)
    func rows(_ name: Finding.Name) {
        let marks = Set(DiagnosisRow.all.filter { $0.name == name }.map { "\($0.mark.map(\.rawValue) ?? "none")" })
        #expect(marks.count > 1)
    }

    @Test(
        "On a machine of the field the plan's refusal comes first, and nothing else is an obstacle",
        arguments: FieldCase.all)
    func field(_ row: FieldCase) throws {
        let address = try #require(PCIAddress(row.gpu))
        let host = try row.machine()
        let snapshot = try host.snapshot(withHolders: true)
        let plan = Planner.plan(for: address, in: snapshot, options: row.options)
        let findings = Diagnosis.findings(on: plan, in: snapshot, HostFacts())
        let obstacles = findings.prefix { $0.mark == .obstacle }
        #expect(obstacles.first?.id == row.refusals.first?.rawValue)
        #expect(Set(obstacles.map(\.id)) == Set(row.refusals.map(\.rawValue)))
        #expect(findings.dropFirst(obstacles.count).allSatisfy { $0.mark != .obstacle })
        #expect(findings.allowClaim == row.refusals.isEmpty)
        #expect(obstacles.allSatisfy { $0.remedy?.isEmpty == false })
        #expect(host.writes.isEmpty)
    }

    @Test("What nobody could read is unknown, and never in order")
    func unread() throws {
        let host = try FixtureHost {
            GPU("0000:01:00.0")
            MaskedMemoryMap()
        }
        let snapshot = try host.snapshot(withHolders: true)
        let plan = Planner.plan(for: try #require(DiagnosisRow.gpu), in: snapshot)
        let all =
            Diagnosis.findings(on: plan, in: snapshot, HostFacts())
            + Diagnosis.findings(onMachineOf: snapshot, HostFacts())
        let unread: [Finding.Name] = [
            .interruptRemapping, .kernelOption, .moduleOption, .memoryLock, .card, .framebuffer, .initramfs, .bars,
            .resizableBAR, .reset, .power, .rom, .driverctl, .libvirt, .unit,
        ]
        for name in unread {
            let marks = all.filter { $0.id == name.rawValue }.map(\.mark)
            #expect(marks == [.unknown], "\(name)")
        }
    }

    @Test("Of several obstacles the one that hides the truth comes first, and the BARs' contents last")
    func order() throws {
        let host = try FixtureHost {
            Kernel("6.5.0")
            GPU("0000:01:00.0", class: 0x030000, bootVGA: false, group: nil)
            FirmwareFramebuffer(.bootSimpledrm, 0xc000_0000...0xc07e_8fff)
            VFIODriver(.missing)
        }
        let snapshot = try host.snapshot(withHolders: true)
        let plan = Planner.plan(for: try #require(DiagnosisRow.gpu), in: snapshot)
        let obstacles = Diagnosis.findings(on: plan, in: snapshot, HostFacts()).filter { $0.mark == .obstacle }
        #expect(obstacles.map(\.id) == ["no-iommu", "vfio-pci-missing", "residue-needs-rescan"])
        // The plan itself has them in the order of its gates.
        #expect(plan.refusals.count == 3)
    }

    @Test("The names of findings and refusals differ, and are in lower case with hyphens")
    func names() {
        let names = Finding.Name.allCases.map(\.rawValue)
        #expect(Set(names).isDisjoint(with: Refusal.Code.allCases.map(\.rawValue)))
        #expect(names.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "-" } })
        #expect(Set(Finding.Mark.allCases.map(\.sign)).count == 4)
    }
}
