import Aperture
import Fixtures
import Testing

@Suite("Machines from the field")
struct FieldTests {
    @Test("What the plan takes, does, refuses and says", arguments: FieldCase.all)
    func plan(_ row: FieldCase) throws {
        let address = try #require(PCIAddress(row.gpu))
        let plan = Planner.plan(for: address, in: try row.machine().snapshot(withHolders: true), options: row.options)
        #expect(plan.functions.map(\.address.description) == row.functions)
        #expect(plan.refusals.map(\.code) == row.refusals)
        #expect(plan.steps.map { "\($0.action.rawValue) \($0.target)" } == row.steps)
        let words = (plan.refusals.map(\.description) + plan.warnings + plan.notices).joined(separator: "\n")
        for word in row.says { #expect(words.contains(word)) }
        // Each function of the slot is accounted for, once, with its reason.
        #expect(plan.choices.filter(\.isTaken).map(\.name) == row.functions)
        #expect(Set(plan.choices.map(\.name)).count == plan.choices.count)
        #expect(plan.choices.allSatisfy { !$0.reason.isEmpty })
    }

    @Test("A plan that takes the last screen says so, and one that leaves another does not")
    func lastScreen() throws {
        func warnings(_ parts: () -> [any Part]) throws -> [String] {
            let snapshot = try FixtureHost(parts).snapshot(withHolders: true)
            return Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot).notices
        }
        let alone = try warnings { [GPU(gpu, class: 0x030000, driver: "amdgpu", bootVGA: true)] }
        #expect(alone.contains { $0.contains("last display device") })
        let second = GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "i915", group: 2)
        let besides = try warnings { [GPU(gpu, class: 0x030000, driver: "amdgpu", bootVGA: true), second] }
        #expect(!besides.contains { $0.contains("last display device") })
    }

    @Test("A plan names what it leaves, each with its driver and the reason")
    func left() throws {
        let row = try #require(FieldCase.all.first { $0.description.contains("an APU's GPU alone") })
        let address = try #require(PCIAddress(row.gpu))
        let snapshot = try row.machine().snapshot(withHolders: true)
        let left = Planner.plan(for: address, in: snapshot).choices.filter { !$0.isTaken }
        #expect(left.map(\.name) == ["0000:c5:00.2", "0000:c5:00.3", "0000:c5:00.6"])
        #expect(left.map(\.driver) == ["ccp", "xhci_hcd", "snd_hda_intel"])
        #expect(left.allSatisfy { $0.reason == "it is not in the GPU's IOMMU group and is not the display's audio" })
    }
}

@Suite("VFIO's drivers")
struct VFIODriversTests {
    @Test(
        "A driver is VFIO's by its name in both spellings",
        arguments: [
            ("vfio-pci", true), ("vfio_pci", true), ("nvgrace_gpu_vfio_pci", true), ("xe-vfio-pci", true),
            ("mlx5_vfio_pci", true), ("hisi_acc_vfio_pci", true), ("vfio", false), ("nvidia", false),
            ("vfio-pci-stub", false), ("evilvfio-pci", false), ("", false),
        ])
    func names(_ name: String, _ isVFIO: Bool) {
        #expect(VFIODrivers.isNamed(name) == isVFIO)
    }

    @Test(
        "What is no alias of VFIO's form is not read",
        arguments: [
            "pci:v000010DEd*sv*sd*bc*sc*i*", "vfio_pci:v000010DE", "vfio_pci:v*d*sv*sd*bc*sc*i*x", "vfio_pci:",
            "vfio_pci:v*d*sv*sd*bc*sc*", "vfio_pci:vzd*sv*sd*bc*sc*i*", "vfio_pci:v123456789d*sv*sd*bc*sc*i*",
        ])
    func malformed(_ pattern: String) {
        #expect(VFIODrivers.Alias(pattern: pattern, module: "m_vfio_pci") == nil)
    }

    private static func function(_ vendor: UInt16, _ device: UInt16, subsystem: (UInt16, UInt16)? = nil) throws
        -> PCIFunction
    {
        var function = PCIFunction(
            address: try #require(PCIAddress("0000:01:00.0")), pciClass: PCIClass(rawValue: 0x03_0200), vendor: vendor,
            device: device, driver: nil, driverOverride: nil, bootVGA: nil, iommuGroup: nil,
            resources: ResourceTable(memoryBARs: []))
        function.subsystemVendor = subsystem?.0
        function.subsystemDevice = subsystem?.1
        return function
    }

    @Test("The alias that asks for most is the best match, and vfio-pci without any")
    func best() throws {
        let patterns = [
            ("vfio_pci:v*d*sv*sd*bc*sc*i*", "vfio_pci"), ("vfio_pci:v000010DEd*sv*sd*bc*sc*i*", "vendor_vfio_pci"),
            ("vfio_pci:v000010DEd00002941sv*sd*bc*sc*i*", "device_vfio_pci"),
            ("vfio_pci:v000010DEd00002941sv000010DEsd00000001bc*sc*i*", "board_vfio_pci"),
            ("vfio_pci:v*d*sv*sd*bc0Bsc*i*", "other_class_vfio_pci"),
            ("vfio_pci:v000010DEd00002941sv*sd*bc*sc*i*", "second_vfio_pci"),
            ("vfio_pci:v000010DEd00002942sv*sd*bc*sc*i*", "not_named_so"),
        ]
        let drivers = VFIODrivers(
            aliases: try patterns.map { try #require(VFIODrivers.Alias(pattern: $0.0, module: $0.1)) })
        #expect(drivers.best(for: try Self.function(0x8086, 1)) == "vfio-pci")
        #expect(drivers.best(for: try Self.function(0x10de, 1)) == "vendor_vfio_pci")
        #expect(drivers.best(for: try Self.function(0x10de, 0x2941)) == "device_vfio_pci")
        #expect(drivers.best(for: try Self.function(0x10de, 0x2941, subsystem: (0x10de, 1))) == "board_vfio_pci")
        #expect(drivers.best(for: try Self.function(0x10de, 0x2941, subsystem: (0x10de, 2))) == "device_vfio_pci")
        // Nothing is bound that a release would not know for VFIO's.
        #expect(drivers.best(for: try Self.function(0x10de, 0x2942)) == "vendor_vfio_pci")
        #expect(VFIODrivers().best(for: try Self.function(0x10de, 0x2941)) == "vfio-pci")
    }
}

@Suite("Configuration header")
struct ConfigurationHeaderTests {
    @Test(
        "The memory BARs that the registers show",
        arguments: [
            ([0xf600_0000, 0xc, 0, 0xe000_000c, 0, 0xe001], 0, [0, 1, 3]),
            // The upper half of a 64-bit register is no BAR of its own.
            ([0x0000_000c, 0x60, 0x8, 0, 0, 0], 0, [0, 2]), ([0, 0, 0, 0, 0, 0], 0, []),
            ([0x1, 0, 0, 0, 0, 0x4], 0, [5]),
            // A bridge has two, and other registers behind them.
            ([0xf600_0000, 0, 0x0001_0100, 0, 0, 0], 1, []),
        ] as [([UInt32], UInt8, [Int])])
    func registers(_ registers: [UInt32], _ type: UInt8, _ bars: [Int]) throws {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes[0x0e] = 0x80 | type
        for (index, register) in registers.enumerated() {
            for byte in 0..<4 { bytes[0x10 + 4 * index + byte] = UInt8(truncatingIfNeeded: register >> (8 * byte)) }
        }
        #expect(try #require(ConfigurationHeader(bytes)).memoryBARs == bars)
    }

    @Test("All ones is a dead device, one zero bit is not, and 63 bytes say nothing")
    func dead() throws {
        var bytes = [UInt8](repeating: 0xff, count: 64)
        #expect(try #require(ConfigurationHeader(bytes)).isAllOnes)
        bytes[63] = 0xfe
        #expect(try #require(ConfigurationHeader(bytes)).isAllOnes == false)
        #expect(ConfigurationHeader([UInt8](repeating: 0xff, count: 63)) == nil)
    }
}
