import Aperture
import Fixtures
import Testing

private let audio = "0000:01:00.1"
private let network = "0000:03:00.0"

/// A card whose functions are in groups of their own, each of which must be free of host drivers.
struct GroupCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// The group of the GPU, of its audio, and of a network card with a host driver.
    var groups: (gpu: Int, audio: Int, network: Int)
    /// The group that is named, where the plan is refused.
    var refused: Int?
    var remedy = ""

    static let all = [
        GroupCase(testDescription: "each alone", groups: (1, 2, 3)),
        GroupCase(testDescription: "both together, and alone", groups: (1, 1, 3)),
        GroupCase(
            testDescription: "the companion is with a host driver", groups: (1, 2, 2), refused: 2,
            remedy: "--only-function"),
        GroupCase(
            testDescription: "the companion is with a host driver, in a group before the GPU's", groups: (2, 1, 1),
            refused: 1,
            remedy: "--only-function"),
        GroupCase(
            testDescription: "the GPU is with a host driver", groups: (1, 2, 1), refused: 1, remedy: "group of its own"),
        GroupCase(
            testDescription: "all of them together", groups: (1, 1, 1), refused: 1, remedy: "group of its own"),
    ]
}

@Suite("IOMMU groups")
struct GroupTests {
    private func host(_ row: GroupCase, driver: String? = "e1000") throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, group: row.groups.gpu)
            Function(audio, class: 0x040300, driver: "snd_hda_intel", group: row.groups.audio)
            Function(network, class: 0x020000, driver: driver, group: row.groups.network)
        }
    }

    private func plan(_ host: FixtureHost, onlyFunction: Bool = false) throws -> Plan {
        Planner.plan(
            for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true),
            options: ClaimOptions(onlyFunction: onlyFunction))
    }

    @Test("Each group of the functions that are taken must be free of host drivers", arguments: GroupCase.all)
    func groups(_ row: GroupCase) throws {
        let refusals = try plan(host(row)).refusals
        #expect(refusals.map(\.code) == (row.refused == nil ? [] : [.groupNotViable]))
        #expect(try plan(host(row, driver: nil)).verdict == .claim)
        guard let refused = row.refused else { return }
        #expect(refusals.first?.message.contains("IOMMU group \(refused) also holds \(network) (e1000)") == true)
        #expect(refusals.first?.remedy.contains(row.remedy) == true)
    }

    @Test("Taken alone, the GPU's group is all that counts", arguments: GroupCase.all)
    func onlyFunction(_ row: GroupCase) throws {
        let isShared = row.groups.gpu == row.groups.network || row.groups.gpu == row.groups.audio
        #expect(try plan(host(row), onlyFunction: true).refusals.map(\.code) == (isShared ? [.groupNotViable] : []))
    }

    @Test("Where both groups are shared, both are named")
    func both() throws {
        let host = try FixtureHost {
            GPU(gpu, group: 1)
            Function(audio, class: 0x040300, group: 2)
            Function(network, class: 0x020000, driver: "e1000", group: 1)
            Function("0000:04:00.0", class: 0x0c0330, driver: "xhci_hcd", group: 2)
        }
        let refusals = try plan(host).refusals
        #expect(refusals.map(\.code) == [.groupNotViable, .groupNotViable])
        #expect(refusals.map { $0.message.contains(network) } == [true, false])
        #expect(refusals.map { $0.message.contains("0000:04:00.0") } == [false, true])
    }

    @Test("A driver that has made a VFIO device of its function may stay in the group, whatever it is called")
    func vfioDevice() throws {
        for (device, isTolerated) in [("vfio1", true), (nil, false)] {
            let host = try FixtureHost {
                GPU(gpu)
                Function(network, class: 0x020000, driver: "e1000", vfioDevice: device)
            }
            #expect(try plan(host).verdict == (isTolerated ? .claim : .refused))
        }
    }

    @Test("A companion without a group is refused as the GPU is, and named")
    func none() throws {
        let host = try FixtureHost {
            GPU(gpu, group: 1)
            Function(audio, class: 0x040300, group: nil)
        }
        let refusals = try plan(host).refusals
        #expect(refusals.map(\.code) == [.noIOMMU])
        #expect(refusals.first?.message == "\(audio) is in no IOMMU group.")
    }

    @Test(
        "A driver that does no DMA for the host may stay in the group",
        arguments: [("pcieport", true), ("pci-stub", true), ("vfio-pci", true), ("shpchp", false), ("e1000", false)])
    func tolerated(_ driver: String, _ isTolerated: Bool) throws {
        let row = GroupCase(testDescription: driver, groups: (1, 1, 1))
        #expect(try plan(host(row, driver: driver)).verdict == (isTolerated ? .claim : .refused))
    }
}
