import Aperture
import Fixtures
import Testing

/// One machine, and what a plan for its GPU must say.
struct PlanCase: CustomTestStringConvertible {
    var name: String
    var machine: @Sendable () throws -> FixtureHost
    var gpu = "0000:01:00.0"
    var options = ClaimOptions()
    /// `action target` of every step, in order.
    var steps: [String] = []
    var refusals: [Refusal.Code] = []
    /// `BAR owner device driver` of every conflict.
    var conflicts: [String] = []

    var testDescription: String { name }

    func plan() throws -> Plan {
        let address = try #require(PCIAddress(gpu))
        return Planner.plan(for: address, in: try machine().snapshot(withHolders: true), options: options)
    }
}

/// Framebuffers of which the first could not be read, and the cards that are refused for it.
struct UnreadableCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var refused: [String]
    @MachineBuilder var parts: @Sendable () -> [any Part]

    static let all = [
        UnreadableCase(testDescription: "a line of /proc/iomem", refused: [gpu]) { FirmwareFramebuffer(.efifb, fb) },
        UnreadableCase(testDescription: "a parent", refused: [gpu]) {
            FirmwareFramebuffer(.efifb, fb, parent: gpu, isListed: false)
        },
        UnreadableCase(testDescription: "the boot parameters", refused: [gpu]) {
            FirmwareFramebuffer(.efifb, fb, isListed: false)
            BootScreen(base: 0xc000_0000, size: 4096)
        },
        UnreadableCase(testDescription: "a parent, and no driver yet", refused: [gpu]) {
            FirmwareFramebuffer(.efifb, fb, isBound: false, parent: gpu)
        },
        UnreadableCase(testDescription: "no witness", refused: [gpu, other]) {
            FirmwareFramebuffer(.efifb, fb, isBound: false)
        },
        UnreadableCase(testDescription: "a line that can be a twin's", refused: [gpu, other]) {
            FirmwareFramebuffer(.simplefb, fb, isListed: false)
            FirmwareFramebuffer(.simplefb, fb, instance: 1, parent: gpu)
        },
        UnreadableCase(testDescription: "legacy VGA", refused: [gpu]) {
            FirmwareFramebuffer(.vga16fb, 0xa0000...0xbffff)
        },
    ]
}

extension ClaimOptions {
    init(residue: Residue = .auto, allow: Set<String> = [], onlyFunction: Bool = false) {
        self.init()
        self.residue = residue
        allowedNativeDrivers = allow
        self.onlyFunction = onlyFunction
    }
}

let gpu = "0000:01:00.0"
private let other = "0000:02:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff
private let claimed = ["set-driver-override \(gpu)", "bind-vfio-pci \(gpu)"]
private let evictEFI = [
    "set-driver-override \(gpu)", "set-framebuffer-override efi-framebuffer.0", "unbind-framebuffer efi-framebuffer.0",
    "bind-vfio-pci \(gpu)",
]
private let evictSimple = [
    "set-driver-override \(gpu)", "set-framebuffer-override simple-framebuffer.0",
    "unbind-framebuffer simple-framebuffer.0",
]
private let rescan = ["remove-device \(gpu)", "rescan-bus \(gpu)"]
/// The probe evicts the framebuffer and its driver together.
private let bounce = [
    "set-driver-override \(gpu)", "load-driver bochs-drm", "clear-driver-override \(gpu)", "bind-native \(gpu)",
    "set-driver-override \(gpu)",
    "unbind-driver \(gpu)",
]
private let bind = ["bind-vfio-pci \(gpu)"]
private let residueConflict = ["0 simpledrm simple-framebuffer.0 simple-framebuffer"]

@Suite("Planner")
struct PlannerTests {
    @Test("The plan's steps, conflicts and refusals", arguments: evictions + residues + cards + refusals + evidence)
    func plan(_ row: PlanCase) throws {
        let plan = try row.plan()
        #expect(plan.refusals.map(\.code) == row.refusals)
        #expect(plan.steps.map { "\($0.action.rawValue) \($0.target)" } == row.steps)
        let conflicts = plan.conflicts.map {
            "\($0.bar) \($0.entry.name) \($0.device ?? "-") \($0.driver ?? "-")"
        }
        #expect(conflicts == row.conflicts)
        #expect(plan.steps.allSatisfy { !$0.reason.isEmpty && $0.path.hasPrefix("/") })
        #expect(plan.refusals.allSatisfy { !$0.message.isEmpty && !$0.remedy.isEmpty })
    }

    /// A machine with two cards, of whose framebuffers the first could not be read.
    private func locked(_ parts: () -> [any Part]) throws -> Snapshot {
        var snapshot = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            GPU(other, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            parts()
        }.snapshot(withHolders: true)
        try #require(!snapshot.platformFramebuffers.isEmpty)
        snapshot.platformFramebuffers[0].unreadable = "its lock is held"
        return snapshot
    }

    @Test(
        "A framebuffer that could not be read is named, and refuses the cards alone that it may stand on",
        arguments: UnreadableCase.all)
    func unreadableFramebuffer(_ row: UnreadableCase) throws {
        let snapshot = try locked(row.parts)
        let name = snapshot.platformFramebuffers[0].name
        for card in [gpu, other] {
            let plan = Planner.plan(for: try #require(PCIAddress(card)), in: snapshot)
            let refusal = plan.refusals.first { $0.code == .deviceUnreadable }
            #expect((refusal != nil) == row.refused.contains(card))
            #expect((plan.verdict == .claim) == !row.refused.contains(card))
            guard let refusal else { continue }
            #expect(refusal.message.contains(name) && refusal.message.contains("its lock is held"))
            #expect(plan.steps.isEmpty)
        }
    }

    @Test(
        "A console that could not be read refuses the boot VGA device, where an answer would matter",
        arguments: [
            // The text console itself; who could take over from it; one who need not; where it is not bound; another.
            ([0], true, true), ([1, 2], true, true), ([1], true, false), ([1, 2], false, false), ([3], true, false),
        ])
    func unreadableConsole(_ unread: [Int], isTaken: Bool, isRefused: Bool) throws {
        var snapshot = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            GPU(other, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            Console(0, "(S) VGA+", isBound: isTaken)
            Console(1, "(M) frame buffer device", isBound: false)
            Console(2, "(M) another device", isBound: false)
            Console(3, "(S) dummy device", isBound: false)
        }.snapshot(withHolders: true)
        try #require(snapshot.consoles.map(\.number) == [0, 1, 2, 3])
        for number in unread {
            snapshot.consoles[number].isBound = nil
            snapshot.consoles[number].unreadable = "its lock is held"
        }
        let plan = Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot)
        #expect(plan.refusals.map(\.code) == (isRefused ? [.deviceUnreadable] : []))
        #expect(plan.refusals.allSatisfy { $0.message.contains("its lock is held") })
        #expect(Planner.plan(for: try #require(PCIAddress(other)), in: snapshot).verdict == .claim)
    }

    @Test(
        "Siblings that keep their drivers through a rescan are named, and no others", arguments: ["snd_hda_intel", nil])
    func siblings(_ driver: String?) throws {
        let host = try FixtureHost {
            GPU(gpu)
            Function("0000:01:00.1", class: 0x040300, driver: driver, group: 2)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        let plan = Planner.plan(
            for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true),
            options: ClaimOptions(onlyFunction: true))
        let isNamed = plan.warnings.contains { $0.contains("keeps its drivers, 0000:01:00.1 (snd_hda_intel)") }
        #expect(isNamed == (driver != nil))
    }

    @Test(
        "What stays is the platform device's own range, not that of the driver in it", arguments: ["6.1.0", "6.12.0"])
    func residueIsNamed(_ kernel: String) throws {
        let host = try FixtureHost {
            Kernel(kernel)
            GPU(gpu)
            FirmwareFramebuffer(.bootSimpledrm, fb)
        }
        let plan = Planner.plan(for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true))
        let texts = plan.refusals.map(\.message) + plan.steps.filter { $0.action == .removeDevice }.map(\.reason)
        #expect(texts.count == 1)
        #expect(texts.allSatisfy { $0.hasPrefix("BOOTFB ") }, "\(texts)")
    }

    @Test("A function of the slot that could not be read refuses the card, unless the GPU goes alone")
    func unreadableSibling() throws {
        let host = try FixtureHost { GPU(gpu) }
        var snapshot = try host.snapshot(withHolders: true)
        let address = try #require(PCIAddress(gpu))
        for (sibling, onlyFunction, isRefused) in [
            ("0000:01:00.1", false, true), ("0000:01:00.1", true, false), ("0000:01:01.0", false, false),
        ] {
            let sibling = try #require(PCIAddress(sibling))
            snapshot.unreadable = [Snapshot.Unreadable(address: sibling, reason: "no class")]
            let plan = Planner.plan(for: address, in: snapshot, options: ClaimOptions(onlyFunction: onlyFunction))
            #expect(plan.refusals.map(\.code) == (isRefused ? [.deviceUnreadable] : []))
            #expect(plan.refusals.allSatisfy { $0.message.contains("\(sibling) could not be read: no class") })
        }
    }

    @Test(
        "What VFIO has is not the host's to live on",
        arguments: [(nil, true), ("vfio-pci", false)] as [(String?, Bool)])
    func dependency(_ driver: String?, _ isRefused: Bool) throws {
        let host = try FixtureHost {
            GPU(gpu, driver: driver, override: driver)
            FirmwareFramebuffer(.efifb, fb)
        }
        var snapshot = try host.snapshot(withHolders: true)
        let address = try #require(PCIAddress(gpu))
        snapshot.hostDependencies[address] = [HostDependency(.swap, "sda2")]
        #expect(Planner.plan(for: address, in: snapshot).refusals.map(\.code) == (isRefused ? [.hostDepends] : []))
    }

    @Test("A bridge does not go with the card, though it is named")
    func namedBridge() throws {
        let host = try FixtureHost {
            GPU(gpu)
            Function("0000:01:00.2", class: 0x060400, driver: "pcieport")
        }
        var options = ClaimOptions()
        options.addedFunctions = [try #require(PCIAddress("0000:01:00.2"))]
        let plan = Planner.plan(
            for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true), options: options)
        #expect(plan.refusals.map(\.code) == [.noSuchDevice])
        #expect(plan.refusals.first?.message == "0000:01:00.2 cannot go with \(gpu).")
        #expect(plan.functions.map(\.address.description) == [gpu])
    }

    @Test("Every refusal code is reached by a row")
    func everyCodeIsReached() {
        let reached = Set((residues + refusals + evidence).flatMap(\.refusals))
            .union(FieldCase.all.flatMap(\.refusals))
        // Tests of their own: a device that cannot be read or vanishes while it is read, holders unseen, a release of what
        // was never claimed, another user, and the configuration.
        let elsewhere: Set<Refusal.Code> = [
            .deviceUnreadable, .holdersUnknown, .notClaimed, .locked, .notRoot, .configurationMismatch, .ambiguous,
            .configurationInvalid,
        ]
        #expect(Set(Refusal.Code.allCases).subtracting(reached) == elsewhere)
    }
}

private let evictions: [PlanCase] = [
    PlanCase(
        name: "efifb on a VGA card, 5.10",
        machine: {
            try FixtureHost {
                Kernel("5.10.0-32-amd64")
                GPU(gpu, class: 0x030000, bootVGA: true, below: "0000:00:01.0")
                FirmwareFramebuffer(.efifb, fb)
            }
        }, steps: evictEFI, conflicts: ["0 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "efifb below the PCI parent, 6.12",
        machine: {
            try FixtureHost {
                GPU(gpu, below: "0000:00:01.0")
                FirmwareFramebuffer(.efifb, fb, parent: gpu)
            }
        }, steps: evictEFI, conflicts: ["0 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "efidrm",
        machine: {
            try FixtureHost {
                Kernel("7.2.12-efidrm")
                GPU(gpu)
                FirmwareFramebuffer(.efidrm, fb, parent: gpu)
            }
        }, steps: evictEFI, conflicts: ["0 efidrm efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "vesafb over the whole BAR",
        machine: {
            try FixtureHost {
                Kernel("5.10.0-32-amd64")
                GPU(gpu, class: 0x030000, bootVGA: true)
                FirmwareFramebuffer(.vesafb, 0xc000_0000...0xc0ff_ffff)
            }
        },
        steps: [
            "set-driver-override \(gpu)", "set-framebuffer-override vesa-framebuffer.0",
            "unbind-framebuffer vesa-framebuffer.0", "bind-vfio-pci \(gpu)",
        ], conflicts: ["0 vesafb vesa-framebuffer.0 vesa-framebuffer"]),
    PlanCase(
        name: "a 64-bit BAR above 4 GiB, the framebuffer in the middle",
        machine: {
            try FixtureHost {
                GPU(
                    gpu,
                    bars: [.wide(0, 0x20_0000_0000...0x2f_ffff_ffff), .wide(2, 0x30_0000_0000...0x30_0fff_ffff)])
                FirmwareFramebuffer(.efifb, 0x30_0100_0000...0x30_011d_4fff)
            }
        }, steps: evictEFI, conflicts: ["2 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "bound to vfio-pci already, and the framebuffer still there",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
                FirmwareFramebuffer(.efifb, fb)
            }
        },
        steps: ["set-framebuffer-override efi-framebuffer.0", "unbind-framebuffer efi-framebuffer.0"],
        conflicts: ["0 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "claimed already: nothing to do",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
                Line(0xc000_0000...0xc0ff_ffff, "vfio-pci")
            }
        }),
    PlanCase(
        name: "vfio-pci not loaded yet",
        machine: {
            try FixtureHost {
                VFIODriver(.loadable)
                GPU(gpu)
            }
        }, steps: ["load-driver vfio-pci"] + claimed),
    PlanCase(
        name: "the VGA text console of the boot VGA device",
        machine: {
            try FixtureHost {
                Kernel("6.1.0-50-amd64")
                GPU(gpu, class: 0x030000, bootVGA: true)
                Console(0, "(S) VGA+", isBound: true)
                Console(1, "(M) frame buffer device", isBound: false)
                FirmwareFramebuffer(.vga16fb, 0xa0000...0xbffff)
            }
        },
        steps: [
            "set-driver-override \(gpu)", "hand-over-console vtcon1", "set-framebuffer-override vga-framebuffer.0",
            "unbind-framebuffer vga-framebuffer.0", "bind-vfio-pci \(gpu)",
        ]),
    PlanCase(
        name: "the VGA text console stays where no other console driver could take it",
        machine: {
            try FixtureHost {
                Kernel("5.10.0-32-amd64")
                GPU(gpu, class: 0x030000, bootVGA: true)
                Console(0, "(S) VGA+", isBound: true)
            }
        }, steps: claimed),
    PlanCase(
        name: "the VGA text console is left alone for a GPU that is not the boot VGA device",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Console(0, "(S) VGA+", isBound: true)
                FirmwareFramebuffer(.vga16fb, 0xa0000...0xbffff)
            }
        }, steps: claimed),
]

private let residues: [PlanCase] = [
    PlanCase(
        name: "BOOTFB and simpledrm, 6.12: rescan",
        machine: {
            try FixtureHost {
                Kernel("6.12.107-simpledrm")
                GPU(gpu, below: "0000:00:01.0")
                FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
            }
        }, steps: evictSimple + rescan + bind, conflicts: residueConflict),
    PlanCase(
        name: "BOOTFB and simpledrm, 6.12, a VGA card: vfio-pci drops the platform device",
        machine: {
            try FixtureHost {
                GPU(gpu, class: 0x030000, bootVGA: true)
                FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
            }
        }, steps: evictSimple + bind, conflicts: residueConflict),
    PlanCase(
        name: "BOOTFB and simpledrm, a VGA card, and a rescan that was asked for",
        machine: {
            try FixtureHost {
                GPU(gpu, class: 0x030000, bootVGA: true)
                FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
            }
        }, options: ClaimOptions(residue: .rescan), steps: evictSimple + rescan + bind, conflicts: residueConflict),
    PlanCase(
        name: "BOOTFB under a VGA card on vfio-pci, which has dropped what it could",
        machine: {
            try FixtureHost {
                GPU(gpu, class: 0x030000, driver: "vfio-pci", override: "vfio-pci", bootVGA: true)
                Line(fb, "BOOTFB")
            }
        }, steps: rescan + bind, conflicts: ["0 BOOTFB - -"]),
    PlanCase(
        name: "BOOTFB alone, its driver gone",
        machine: {
            try FixtureHost {
                GPU(gpu, override: "vfio-pci")
                FirmwareFramebuffer(.bootSimpledrm, fb, isBound: false, override: "vfio-pci")
            }
        }, steps: rescan + bind, conflicts: ["0 BOOTFB simple-framebuffer.0 -"]),
    PlanCase(
        name: "an orphaned BOOTFB under a card on vfio-pci",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
                Line(fb, "BOOTFB")
            }
        }, steps: rescan + bind, conflicts: ["0 BOOTFB - -"]),
    PlanCase(
        name: "6.1 refuses the rescan",
        machine: {
            try FixtureHost {
                Kernel("6.1.0-50-amd64")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, refusals: [.residueNeedsRescan], conflicts: residueConflict),
    PlanCase(
        name: "6.1 bounces when a native driver is allowed",
        machine: {
            try FixtureHost {
                Kernel("6.1.0-50-amd64")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(allow: ["bochs"]), steps: bounce + bind, conflicts: residueConflict),
    PlanCase(
        name: "a bounce ends the framebuffer that is the residue's alone: another one is evicted before",
        machine: {
            try FixtureHost {
                Kernel("6.1.0-50-amd64")
                GPU(gpu, bars: [BAR(0, 0xc000_0000...0xc0ff_ffff), BAR(2, 0xc100_0000...0xc1ff_ffff)])
                FirmwareFramebuffer(.bootSimpledrm, fb)
                FirmwareFramebuffer(.efifb, 0xc100_0000...0xc13e_7fff)
            }
        }, options: ClaimOptions(allow: ["bochs"]),
        steps: [
            "set-driver-override \(gpu)", "set-framebuffer-override efi-framebuffer.0",
            "unbind-framebuffer efi-framebuffer.0",
        ] + bounce.dropFirst() + bind, conflicts: residueConflict + ["2 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "5.10 refuses, and an allowed native driver does not help",
        machine: {
            try FixtureHost {
                Kernel("5.10.223-simplefb")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(allow: ["bochs"]), refusals: [.residueNeedsRescan], conflicts: residueConflict),
    PlanCase(
        name: "5.10 refuses the bounce that was asked for",
        machine: {
            try FixtureHost {
                Kernel("5.10.223-simplefb")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(residue: .bounce, allow: ["bochs"]), refusals: [.residueNeedsRescan],
        conflicts: residueConflict),
    PlanCase(
        name: "5.10 rescans when told to",
        machine: {
            try FixtureHost {
                Kernel("5.10.223-simplefb")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(residue: .rescan), steps: evictSimple + rescan + bind, conflicts: residueConflict),
    PlanCase(
        name: "6.12 bounces when told to and allowed",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(residue: .bounce, allow: ["bochs"]), steps: bounce + bind,
        conflicts: residueConflict),
    PlanCase(
        name: "a bounce without an allowed driver is refused",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(residue: .bounce), refusals: [.residueNeedsRescan], conflicts: residueConflict),
    PlanCase(
        name: "--residue refuse refuses",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(residue: .refuse), refusals: [.residueNeedsRescan], conflicts: residueConflict),
    PlanCase(
        name: "the GPU alone is rescanned while its sibling keeps its driver",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", group: 2)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        }, options: ClaimOptions(onlyFunction: true), steps: evictSimple + rescan + bind, conflicts: residueConflict),
]

private let cards: [PlanCase] = [
    PlanCase(
        name: "a card with audio: companions are unbound first",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "amdgpu")
                Function(
                    "0000:01:00.1", class: 0x040300, bars: [BAR(0, 0xc200_0000...0xc200_3fff)],
                    driver: "snd_hda_intel")
            }
        },
        steps: [
            "set-driver-override \(gpu)", "set-driver-override 0000:01:00.1", "unbind-driver 0000:01:00.1",
            "unbind-driver \(gpu)", "bind-vfio-pci \(gpu)", "bind-vfio-pci 0000:01:00.1",
        ]),
    PlanCase(
        name: "a card with a bridge function: bridges stay",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Function("0000:01:00.2", class: 0x060400, driver: "pcieport")
            }
        }, steps: claimed),
    PlanCase(
        name: "a native driver's own entry has a known owner",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "bochs-drm")
                Line(0xc000_0000...0xc0ff_ffff, "bochs-drm")
            }
        },
        steps: ["set-driver-override \(gpu)", "unbind-driver \(gpu)", "bind-vfio-pci \(gpu)"],
        conflicts: ["0 bochs-drm - bochs-drm"]),
    PlanCase(
        name: "two cards: the other one's framebuffer is not in the plan",
        machine: {
            try FixtureHost {
                GPU(gpu)
                GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
                FirmwareFramebuffer(.efifb, fb)
            }
        }, gpu: "0000:02:00.0",
        steps: ["set-driver-override 0000:02:00.0", "bind-vfio-pci 0000:02:00.0"]),
    PlanCase(
        name: "a laptop with two display controllers: the screen is on the integrated one",
        machine: {
            try FixtureHost {
                GPU(
                    "0000:00:02.0", class: 0x030000, bars: [.wide(2, 0x40_0000_0000...0x40_0fff_ffff)], driver: nil,
                    bootVGA: true, group: 0)
                GPU(gpu, class: 0x030200, bars: [.wide(1, 0x60_0000_0000...0x61_ffff_ffff)], driver: "nouveau")
                FirmwareFramebuffer(.efifb, 0x40_0000_0000...0x40_007e_8fff, parent: "0000:00:02.0")
            }
        }, steps: ["set-driver-override \(gpu)", "unbind-driver \(gpu)", "bind-vfio-pci \(gpu)"]),
]

private let refusals: [PlanCase] = [
    PlanCase(
        name: "no such device", machine: { try FixtureHost { GPU(gpu) } }, gpu: "0000:05:00.0",
        refusals: [.noSuchDevice]),
    PlanCase(
        name: "the audio function is no display device",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Function("0000:01:00.1", class: 0x040300)
            }
        }, gpu: "0000:01:00.1", refusals: [.notADisplayDevice]),
    PlanCase(
        name: "a network card elsewhere is no display device",
        machine: {
            try FixtureHost { Function("0000:03:00.0", class: 0x020000) }
        }, gpu: "0000:03:00.0", refusals: [.notADisplayDevice]),
    PlanCase(
        name: "a masked /proc/iomem",
        machine: {
            try FixtureHost {
                MaskedMemoryMap()
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb)
            }
        }, refusals: [.iomemMasked]),
    PlanCase(
        name: "a /proc/iomem that makes no sense",
        machine: {
            let host = try FixtureHost { GPU(gpu) }
            try host.folder.write("c0000000-c0ff\n", to: "/proc/iomem")
            return host
        }, refusals: [.iomemUnreadable]),
    PlanCase(
        name: "an empty /proc/iomem",
        machine: {
            let host = try FixtureHost { GPU(gpu) }
            try host.folder.write("", to: "/proc/iomem")
            return host
        }, refusals: [.iomemUnreadable]),
    PlanCase(
        name: "no kernel version",
        machine: {
            try FixtureHost {
                Kernel("unknown")
                GPU(gpu)
            }
        }, refusals: [.kernelUnknown]),
    PlanCase(
        name: "no IOMMU", machine: { try FixtureHost { GPU(gpu, group: nil) } }, refusals: [.noIOMMU]),
    PlanCase(
        name: "a group that VFIO made up without an IOMMU",
        machine: {
            let host = try FixtureHost { GPU(gpu) }
            try host.folder.write("vfio-noiommu\n", to: "/sys/kernel/iommu_groups/1/name")
            return host
        }, refusals: [.noIOMMU]),
    PlanCase(
        name: "a group shared with a bound device",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Function("0000:02:00.0", class: 0x020000, driver: "e1000")
                Function("0000:00:01.0", class: 0x060400, driver: "pcieport")
                Function("0000:02:01.0", class: 0x020000)
            }
        }, refusals: [.groupNotViable]),
    PlanCase(
        name: "--only-function with a bound sibling in the group",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
            }
        }, options: ClaimOptions(onlyFunction: true), refusals: [.groupNotViable]),
    PlanCase(
        name: "no vfio-pci",
        machine: {
            try FixtureHost {
                VFIODriver(.missing)
                GPU(gpu)
            }
        }, refusals: [.vfioPCIMissing]),
    PlanCase(
        name: "a BAR that got no address",
        machine: {
            try FixtureHost {
                GPU(gpu, bars: [BAR(0, 0...0xff_ffff, flags: 0x2004_2208), BAR(2, 0xc000_0000...0xc000_0fff)])
            }
        }, refusals: [.barUnassigned]),
    PlanCase(
        name: "several refusals at once",
        machine: {
            try FixtureHost {
                VFIODriver(.missing)
                MaskedMemoryMap()
                GPU(gpu, group: nil)
            }
        }, refusals: [.iomemMasked, .noIOMMU, .vfioPCIMissing]),
    PlanCase(
        name: "an unknown owner in the BAR",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Line(0xc010_0000...0xc010_ffff, "mystery")
            }
        }, refusals: [.unknownOwner], conflicts: ["0 mystery - -"]),
    PlanCase(
        name: "a claim that the native driver does not explain",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "amdgpu")
                Line(0xc010_0000...0xc010_ffff, "mystery")
            }
        }, refusals: [.unknownOwner], conflicts: ["0 mystery - -"]),
    PlanCase(
        name: "efifb's entry without its platform device",
        machine: {
            try FixtureHost {
                GPU(gpu)
                Line(fb, "efifb")
            }
        }, refusals: [.framebufferHeld], conflicts: ["0 efifb - -"]),
    PlanCase(
        name: "5.10 would crash if efifb were unbound while its node is open",
        machine: {
            try FixtureHost {
                Kernel("5.10.0-32-amd64")
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb)
                Process(812, "plymouthd", holds: "/dev/fb0")
            }
        }, refusals: [.framebufferHeld], conflicts: ["0 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "a BAR without a line of its own",
        machine: {
            let host = try FixtureHost { GPU(gpu) }
            try host.folder.write("40000000-febfffff : PCI Bus 0000:00\n", to: "/proc/iomem")
            return host
        }, refusals: [.evidenceMissing]),
]

private let evidence: [PlanCase] = [
    PlanCase(
        name: "no line, and the parent and the boot parameters agree",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb, parent: gpu, isListed: false)
                BootScreen(base: 0xc000_0000, size: 0x3e8000)
            }
        }, steps: evictEFI, conflicts: ["0 efi-framebuffer.0 efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "no line, and only the parent speaks",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb, parent: gpu, isListed: false)
            }
        }, refusals: [.evidenceMissing]),
    PlanCase(
        name: "no line, and the parent and the boot parameters disagree",
        machine: {
            try FixtureHost {
                GPU(gpu)
                GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
                FirmwareFramebuffer(.efifb, fb, parent: gpu, isListed: false)
                BootScreen(base: 0xd000_0000, size: 0x3e8000)
            }
        }, refusals: [.contradictoryEvidence]),
    PlanCase(
        name: "a line here, and a parent elsewhere",
        machine: {
            try FixtureHost {
                GPU(gpu)
                GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
                FirmwareFramebuffer(.efifb, fb, parent: "0000:02:00.0")
            }
        }, refusals: [.contradictoryEvidence], conflicts: ["0 efifb - -"]),
    PlanCase(
        name: "boot parameters that no card answers to any more say nothing",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb, parent: gpu)
                BootScreen(base: 0x9000_0000, size: 0x3e8000)
            }
        }, steps: evictEFI, conflicts: ["0 efifb efi-framebuffer.0 efi-framebuffer"]),
    PlanCase(
        name: "two devices of a kind, and nothing tells whose the line is",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.simpledrm, fb, instance: 0)
                FirmwareFramebuffer(.simpledrm, 0x7000_0000...0x7000_ffff, instance: 1)
            }
        }, refusals: [.contradictoryEvidence, .contradictoryEvidence], conflicts: ["0 simpledrm - -"]),
    PlanCase(
        name: "two devices of a kind, and the parent tells",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.simpledrm, fb, instance: 0, parent: gpu)
                FirmwareFramebuffer(.simpledrm, 0x7000_0000...0x7000_ffff, instance: 1)
            }
        },
        steps: [
            "set-driver-override \(gpu)", "set-framebuffer-override simple-framebuffer.0",
            "unbind-framebuffer simple-framebuffer.0", "bind-vfio-pci \(gpu)",
        ], conflicts: ["0 simpledrm simple-framebuffer.0 simple-framebuffer"]),
    PlanCase(
        name: "an unbound device that no line speaks for is left alone",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb, isBound: false, parent: gpu)
            }
        }, steps: claimed),
    PlanCase(
        name: "a held entry is waited for",
        machine: {
            try FixtureHost {
                GPU(gpu, override: "vfio-pci")
                FirmwareFramebuffer(.efifb, fb, isBound: false, override: "vfio-pci")
                Line(fb, "efifb")
            }
        }, steps: ["await-release efi-framebuffer.0"] + bind, conflicts: ["0 efifb efi-framebuffer.0 -"]),
]
