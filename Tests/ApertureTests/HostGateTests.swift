import Aperture
import Testing

@Suite("Host gate")
struct HostGateTests {
    private let address = PCIAddress("0000:05:00.3")

    private func function(_ driver: String? = "xhci_hcd") throws -> PCIFunction {
        PCIFunction(
            address: try #require(address), pciClass: PCIClass(rawValue: 0x0c0330), vendor: 0x1022, device: 0x15b9,
            driver: driver, driverOverride: nil, bootVGA: nil, iommuGroup: nil, resources: ResourceTable(memoryBARs: [])
        )
    }

    private func member(_ name: String = "0000:01:00.0") -> IOMMUGroup.Member {
        IOMMUGroup.Member(name: name, driver: "nvme", pciClass: PCIClass(rawValue: 0x010802))
    }

    private let grave: [HostDependency.Kind] = [
        .mount(at: "/home"), .mount(at: nil), .swap, .volume("dm-0 (luks)"), .pool("rpool"), .perhapsPool(["rpool"]),
        .network, .unknown("cannot read /proc/swaps"),
    ]

    @Test("Each kind is refused, and named with the function and its driver; force makes a warning of it")
    func kinds() throws {
        for kind in grave {
            let dependency = HostDependency(kind, "sda2")
            let dependencies = [try #require(address): [dependency]]
            let (refusals, warnings) = HostGate.judge(
                taking: [try function()], leaving: [], dependencies: dependencies, force: false)
            #expect(refusals.map(\.code) == [.hostDepends])
            #expect(refusals.first?.message.contains("0000:05:00.3 (xhci_hcd)") == true)
            #expect(refusals.first?.message.contains(dependency.description) == true)
            #expect(refusals.first?.remedy.contains("--only-function") == true)
            #expect(refusals.first?.remedy.contains("--force") == true)
            #expect(warnings.isEmpty)
            let forced = HostGate.judge(taking: [try function()], leaving: [], dependencies: dependencies, force: true)
            #expect(forced.refusals.isEmpty)
            #expect(forced.warnings == refusals.map(\.message))
        }
    }

    @Test("Input devices are a warning, and refuse nothing", arguments: [true, false])
    func inputs(force: Bool) throws {
        let dependencies = [try #require(address): [HostDependency(.input("Keyboard"), "input5")]]
        let (refusals, warnings) = HostGate.judge(
            taking: [try function(nil)], leaving: [], dependencies: dependencies, force: force)
        #expect(refusals.isEmpty)
        #expect(
            warnings == [
                "The host loses what is plugged in at 0000:05:00.3 (no driver): Keyboard (input5) is an input device."
            ])
    }

    @Test("What is not taken is not judged")
    func others() throws {
        let dependencies = [try #require(PCIAddress("0000:05:00.4")): [HostDependency(.swap, "sda3")]]
        let (refusals, warnings) = HostGate.judge(
            taking: [try function()], leaving: [member()], dependencies: dependencies, force: false)
        #expect(refusals.isEmpty && warnings.isEmpty)
    }

    @Test("A member of the group is refused with force too, and nobody is told to unbind it", arguments: [true, false])
    func members(force: Bool) throws {
        let disk = try #require(PCIAddress("0000:01:00.0"))
        let dependencies = [
            disk: [HostDependency(.mount(at: "/"), "nvme0n1p2"), HostDependency(.input("k"), "input1")]
        ]
        let (refusals, warnings) = HostGate.judge(
            taking: [try function()], leaving: [member(), member("platform-thing")], dependencies: dependencies,
            force: force)
        #expect(refusals.map(\.code) == [.hostDepends])
        let text = refusals.map(\.description).joined()
        #expect(text.contains("0000:01:00.0 (nvme)") && text.contains("/ is mounted from nvme0n1p2"))
        #expect(!text.contains("input1"))
        #expect(!text.contains("unbind") && !text.contains("--force"))
        #expect(text.contains("slot") && text.contains("ACS"))
        #expect(warnings.isEmpty)
        #expect(HostGate.holds(member(), dependencies))
        #expect(!HostGate.holds(member("0000:02:00.0"), dependencies))
        #expect(!HostGate.holds(member(), [disk: [HostDependency(.input("k"), "input1")]]))
    }

    @Test("A member that is taken as well is refused once")
    func both() throws {
        let dependencies = [try #require(address): [HostDependency(.swap, "sda3")]]
        let (refusals, _) = HostGate.judge(
            taking: [try function()], leaving: [member("0000:05:00.3")], dependencies: dependencies, force: false)
        #expect(refusals.count == 1)
    }

    @Test("The gravest are named, the root first, and the rest counted")
    func order() throws {
        var list = (1...9).map { HostDependency(.mount(at: "/srv/\($0)"), "sda\($0)") }
        list.insert(HostDependency(.network, "eth0"), at: 0)
        list.append(HostDependency(.mount(at: "/"), "sdb"))
        let (refusals, _) = HostGate.judge(
            taking: [try function()], leaving: [], dependencies: [try #require(address): list], force: false)
        #expect(
            refusals.first?.message
                == "0000:05:00.3 (xhci_hcd) is in use by the host: / is mounted from sdb; /srv/1 is mounted from sda1; "
                + "/srv/2 is mounted from sda2; /srv/3 is mounted from sda3; 7 more.")
    }

    @Test("What could not be read is not called used")
    func unknown() throws {
        let dependencies = [try #require(address): [HostDependency(.unknown("no \u{1b}[0m"), "0000:05:00.3")]]
        let (refusals, _) = HostGate.judge(
            taking: [try function()], leaving: [], dependencies: dependencies, force: false)
        #expect(
            refusals.first?.message
                == "0000:05:00.3 (xhci_hcd) may be in use by the host: what depends on 0000:05:00.3 is not known: "
                + "no ?[0m.")
    }
}
