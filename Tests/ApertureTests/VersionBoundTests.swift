import Aperture
import Fixtures
import Testing

private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// What a kernel does from one version on, and the one before does not: both sides of every bound that a plan depends on.
struct VersionBound: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// The last kernel before, and the first with it.
    var before: String
    var since: String
    var options = ClaimOptions()
    var change: @Sendable (inout Snapshot) -> Void = { _ in }
    /// What must hold of the plan for a kernel since then, and must not for one before.
    var holds: @Sendable (Plan) -> Bool
    @MachineBuilder var parts: @Sendable () -> [any Part]

    func plan(_ kernel: String) throws -> Plan {
        let parts = parts
        var snapshot = try FixtureHost {
            Kernel(kernel)
            parts()
        }.snapshot(withHolders: true)
        change(&snapshot)
        return Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot, options: options)
    }

    private static let whole = [
        VersionBound(
            testDescription: "an efifb whose node is open can be unbound", before: "5.17.15", since: "5.18.0",
            holds: { $0.verdict == .claim }
        ) {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
            Process(812, "plymouthd", holds: "/dev/fb0")
        },
        VersionBound(
            testDescription: "an efifb can be unbound whose users may be unseen", before: "5.17.15", since: "5.18.0",
            change: { $0.holdersUnknown = "hidepid" }, holds: { $0.verdict == .claim }
        ) {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
        },
        VersionBound(
            testDescription: "a bridge's driver must manage DMA itself", before: "5.18.19", since: "5.19.0",
            holds: { $0.refusals.map(\.code) == [.groupNotViable] }
        ) {
            GPU(gpu)
            Function("0000:00:01.0", class: 0x060400, driver: "some_bridge_driver")
        },
        VersionBound(
            testDescription: "vfio-pci takes the VGA text console away", before: "5.19.17", since: "6.0.0",
            holds: { plan in
                plan.verdict == .claim && plan.warnings.contains { $0.contains("vfio-pci removes it") }
                    && !plan.warnings.contains { $0.contains("0xb8000") }
            }
        ) {
            GPU(gpu, class: 0x030000, bootVGA: true)
            Console(0, "(S) VGA+", isBound: true)
        },
        VersionBound(
            testDescription: "vfio-pci drops the framebuffer of a VGA card", before: "5.19.17", since: "6.0.0",
            holds: { plan in
                plan.verdict == .claim
                    && plan.warnings.contains { $0.contains("makes the kernel drop efi-framebuffer.0") }
            }
        ) {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.efifb, fb)
        },
        VersionBound(
            testDescription: "vfio-pci ends BOOTFB of a VGA card by itself", before: "5.19.17", since: "6.0.0",
            holds: { $0.verdict == .claim && !$0.steps.contains { $0.rung == .rescan } }
        ) {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        },
        VersionBound(
            testDescription: "vfio-pci no longer ends BOOTFB of a VGA card that is not the boot's", before: "6.3.13",
            since: "6.4.0", holds: { $0.refusals.map(\.code) == [.residueNeedsRescan] }
        ) {
            GPU(gpu, class: 0x030000, bootVGA: false)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        },
        VersionBound(
            testDescription: "vfio-pci ends BOOTFB of a VGA card again that is not the boot's", before: "6.10.14",
            since: "6.11.0", holds: { $0.verdict == .claim && !$0.steps.contains { $0.rung == .rescan } }
        ) {
            GPU(gpu, class: 0x030000, bootVGA: false)
            FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
        },
    ]

    private static let residue = [
        VersionBound(
            testDescription: "an allowed native driver's probe ends BOOTFB", before: "5.19.17", since: "6.0.0",
            options: ClaimOptions(allow: ["bochs"]), holds: { $0.steps.contains { $0.rung == .bounce } }, parts: bootFB),
        VersionBound(
            testDescription: "and so it does when it was asked for", before: "5.19.17", since: "6.0.0",
            options: ClaimOptions(residue: .bounce, allow: ["bochs"]),
            holds: { $0.steps.contains { $0.rung == .bounce } }, parts: bootFB),
        VersionBound(
            testDescription: "it is recommended where it helps", before: "5.19.17", since: "6.0.0",
            holds: { $0.refusals.contains { $0.remedy.contains("--allow-native") } }, parts: bootFB),
        VersionBound(
            testDescription: "it is not refused as one that does not help", before: "5.19.17", since: "6.0.0",
            options: ClaimOptions(residue: .bounce, allow: ["bochs"]),
            holds: { !$0.refusals.contains { $0.message.contains("before 6.0 a native driver's probe") } },
            parts: bootFB),
        VersionBound(
            testDescription: "a rescan is made without being asked for", before: "6.8.12", since: "6.9.0",
            holds: { $0.steps.contains { $0.rung == .rescan } }, parts: bootFB),
        VersionBound(
            testDescription: "and goes before an allowed bounce", before: "6.8.12", since: "6.9.0",
            options: ClaimOptions(allow: ["bochs"]),
            holds: { $0.steps.contains { $0.rung == .rescan } && !$0.steps.contains { $0.rung == .bounce } },
            parts: bootFB),
        VersionBound(
            testDescription: "the platform device goes with its card", before: "6.8.12", since: "6.9.0",
            options: ClaimOptions(residue: .rescan),
            holds: { plan in
                plan.warnings.contains { $0.contains("simple-framebuffer.0 goes with it") }
                    && !plan.warnings.contains { $0.contains("is not reserved again") }
            }, parts: bootFB),
        VersionBound(
            testDescription: "the orphaned range keeps no pointer to freed memory", before: "6.8.12", since: "6.9.0",
            options: ClaimOptions(residue: .rescan),
            holds: { !$0.warnings.contains { $0.contains("range keeps a pointer to freed memory") } },
            parts: bootFB),
        VersionBound(
            testDescription: "a native driver's probe drops the device of a card without a framebuffer driver",
            before: "6.10.14", since: "6.11.0", options: ClaimOptions(residue: .bounce, allow: ["bochs"]),
            holds: { $0.steps.contains { $0.rung == .bounce } }
        ) {
            GPU(gpu, override: "vfio-pci")
            FirmwareFramebuffer(.bootSimpledrm, fb, isBound: false, override: "vfio-pci")
        },
        VersionBound(
            testDescription: "and did not after it had", before: "6.3.13", since: "6.4.0",
            options: ClaimOptions(residue: .bounce, allow: ["bochs"]),
            holds: { $0.refusals.contains { $0.message.contains("no framebuffer driver is bound") } }
        ) {
            GPU(gpu, override: "vfio-pci")
            FirmwareFramebuffer(.bootSimpledrm, fb, isBound: false, override: "vfio-pci")
        },
    ]

    private static let bootFB: @Sendable () -> [any Part] = {
        [GPU(gpu), FirmwareFramebuffer(.bootSimpledrm, fb)]
    }

    static let all = whole + residue
}

@Suite("Version bounds")
struct VersionBoundTests {
    @Test("A bound is where it is, and not one version beside it", arguments: VersionBound.all)
    func bound(_ row: VersionBound) throws {
        let before = try row.plan(row.before)
        let since = try row.plan(row.since)
        #expect(!row.holds(before), "\(row.before): \(before.refusals), \(before.warnings)")
        #expect(row.holds(since), "\(row.since): \(since.refusals), \(since.warnings)")
    }

    @Test(
        "The boot VGA device's BOOTFB goes with vfio-pci on every kernel since 6.0",
        arguments: ["6.0.0", "6.4.0", "6.10.14"])
    func bootVGA(_ kernel: String) throws {
        let host = try FixtureHost {
            Kernel(kernel)
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        let plan = Planner.plan(for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true))
        #expect(plan.verdict == .claim)
        #expect(!plan.steps.contains { $0.rung == .rescan || $0.rung == .bounce })
    }

    @Test(
        "A version is compared number by number",
        arguments: [
            ("5.17.15", false), ("5.18.0", true), ("5.18-rc1", true), ("5.9.0", false), ("5.100.0", true),
            ("4.19.0", false), ("6.0.0", true), ("6.1.0-50-amd64", true), ("10.0", true),
        ])
    func comparison(_ text: String, _ isAtLeast: Bool) throws {
        #expect(try #require(KernelRelease(text)).isAtLeast(5, 18) == isAtLeast)
    }

    @Test("What begins with no two numbers is no version", arguments: ["", "6", "6.", ".6.1", "6..1", "six.1", "6.x"])
    func noVersion(_ text: String) {
        #expect(KernelRelease(text) == nil)
    }
}
