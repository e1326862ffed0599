import Aperture
import Fixtures

/// A machine that somebody has, or that the kernel's source allows, and the right plan for its GPU.
struct FieldCase: CustomStringConvertible {
    var description: String
    var gpu = "0000:01:00.0"
    var options = ClaimOptions()
    /// What the plan takes.
    var functions: [String]
    var refusals: [Refusal.Code] = []
    /// `action target` of every step, in order.
    var steps: [String] = []
    /// Words that the refusals and warnings hold.
    var says: [String] = []
    var machine: @Sendable () throws -> FixtureHost

    static let all = [
        apuOnVFIO, apuAlone, apuWholeSlot, apuWithOne, apuAudioShared, apuWithDisk, apuWithDiskForced, groupWithDisk,
        sharedGroup,
        virtualFunction, physicalFunction, foreignAddition,
        givenUpBAR, unsetBAR, noBAR, upperHalf, dead, switchedNoBridge, bridgeUnderDriverOfItsOwn, bridgeBefore519,
        accelerator, acceleratorInUse,
        coprocessor, coreboot, corebootVGA, bootfbVGA65, bounceUnbound, corebootDriver, nvidiaCounted, openFirmware,
        running, runningVariant, variant, bestVariant,
        chosenDriver, unknownDriver, noVFIODriver, xen, arm,
    ]

    // MARK: - Which functions

    /// AMD puts the host's USB, its security processor and its audio into the GPU's slot, each in a group of its own.
    private static func apu(driver: String?, audio: String?) throws -> FixtureHost {
        try FixtureHost {
            Kernel("6.8.12-4-pve")
            Function("0000:00:08.1", class: 0x060400, driver: "pcieport", group: 11)
            GPU("0000:c5:00.0", class: 0x030000, driver: driver, bootVGA: true, group: 16, vendor: 0x1002)
            Function("0000:c5:00.1", class: 0x040300, driver: audio, group: 17, vendor: 0x1002)
            Function("0000:c5:00.2", class: 0x108000, driver: "ccp", group: 18, vendor: 0x1022)
            Function("0000:c5:00.3", class: 0x0c0330, driver: "xhci_hcd", group: 19, vendor: 0x1022)
            Function("0000:c5:00.6", class: 0x040300, driver: "snd_hda_intel", group: 22, vendor: 0x1022)
        }
    }

    private static func options(_ change: (inout ClaimOptions) -> Void) -> ClaimOptions {
        var options = ClaimOptions()
        change(&options)
        return options
    }

    private static let apuOnVFIO = FieldCase(
        description: "an APU whose GPU and display audio are on vfio-pci: the host keeps the rest", gpu: "0000:c5:00.0",
        functions: ["0000:c5:00.0", "0000:c5:00.1"], machine: { try apu(driver: "vfio-pci", audio: "vfio-pci") })

    private static let apuAlone = FieldCase(
        description: "an APU's GPU alone", gpu: "0000:c5:00.0", options: options { $0.onlyFunction = true },
        functions: ["0000:c5:00.0"],
        steps: ["set-driver-override 0000:c5:00.0", "bind-vfio-pci 0000:c5:00.0"],
        machine: { try apu(driver: nil, audio: "snd_hda_intel") })

    private static let apuWholeSlot = FieldCase(
        description: "an APU's whole slot", gpu: "0000:c5:00.0", options: options { $0.wholeSlot = true },
        functions: ["0000:c5:00.0", "0000:c5:00.1", "0000:c5:00.2", "0000:c5:00.3", "0000:c5:00.6"],
        steps: [
            "set-driver-override 0000:c5:00.2", "set-driver-override 0000:c5:00.3", "set-driver-override 0000:c5:00.6",
            "unbind-driver 0000:c5:00.6", "unbind-driver 0000:c5:00.3", "unbind-driver 0000:c5:00.2",
            "bind-vfio-pci 0000:c5:00.2", "bind-vfio-pci 0000:c5:00.3", "bind-vfio-pci 0000:c5:00.6",
        ], machine: { try apu(driver: "vfio-pci", audio: "vfio-pci") })

    private static let apuWithOne = FieldCase(
        description: "an APU with one function more", gpu: "0000:c5:00.0",
        options: options { $0.addedFunctions = Set([PCIAddress("0000:c5:00.3")].compactMap(\.self)) },
        functions: ["0000:c5:00.0", "0000:c5:00.1", "0000:c5:00.3"],
        steps: [
            "set-driver-override 0000:c5:00.3", "unbind-driver 0000:c5:00.3", "bind-vfio-pci 0000:c5:00.3",
        ], machine: { try apu(driver: "vfio-pci", audio: "vfio-pci") })

    private static let apuAudioShared = FieldCase(
        description: "an APU whose display audio shares its group with the host's USB", gpu: "0000:c5:00.0",
        functions: ["0000:c5:00.0", "0000:c5:00.1"], refusals: [.groupNotViable],
        says: ["0000:c5:00.3 (xhci_hcd)", "--only-function"],
        machine: {
            try FixtureHost {
                GPU("0000:c5:00.0", class: 0x030000, group: 12, vendor: 0x1002)
                Function("0000:c5:00.1", class: 0x040300, driver: "snd_hda_intel", group: 13, vendor: 0x1002)
                Function("0000:c5:00.3", class: 0x0c0330, driver: "xhci_hcd", group: 13, vendor: 0x1022)
            }
        })

    /// The root file system's disk hangs below the slot's USB controller.
    private static func apuWithDiskBelow() throws -> FixtureHost {
        let host = try apu(driver: "vfio-pci", audio: "vfio-pci")
        var files = HostFiles(host.folder)
        try files.block("pci0000:00/0000:c5:00.3/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0/block/sda", "8:0")
        try files.mount("8:0", "/", "ext4", "/dev/sda")
        return host
    }

    private static let apuWithDisk = FieldCase(
        description: "the whole slot with the controller that the host's disk is on", gpu: "0000:c5:00.0",
        options: options { $0.wholeSlot = true },
        functions: ["0000:c5:00.0", "0000:c5:00.1", "0000:c5:00.2", "0000:c5:00.3", "0000:c5:00.6"],
        refusals: [.hostDepends], says: ["0000:c5:00.3 (xhci_hcd)", "/ is mounted from sda", "--force"],
        machine: apuWithDiskBelow)

    private static let apuWithDiskForced = FieldCase(
        description: "the same, forced: it is still said", gpu: "0000:c5:00.0",
        options: options {
            $0.addedFunctions = Set([PCIAddress("0000:c5:00.3")].compactMap(\.self))
            $0.force = true
        },
        functions: ["0000:c5:00.0", "0000:c5:00.1", "0000:c5:00.3"],
        steps: ["set-driver-override 0000:c5:00.3", "unbind-driver 0000:c5:00.3", "bind-vfio-pci 0000:c5:00.3"],
        says: ["/ is mounted from sda"], machine: apuWithDiskBelow)

    private static let groupWithDisk = FieldCase(
        description: "a group that holds the system's disk", functions: ["0000:01:00.0"], refusals: [.hostDepends],
        says: ["0000:02:00.0 (ahci), of the same IOMMU group", "/ is mounted from sda", "cannot be handed over"],
        machine: {
            let host = try FixtureHost {
                GPU("0000:01:00.0")
                Function("0000:02:00.0", class: 0x010601, driver: "ahci")
            }
            var files = HostFiles(host.folder)
            try files.block("pci0000:00/0000:02:00.0/ata1/host0/target0:0:0/0:0:0:0/block/sda", "8:0")
            try files.mount("8:0", "/", "ext4", "/dev/sda")
            return host
        })

    private static let foreignAddition = FieldCase(
        description: "--function with a function of another slot", gpu: "0000:c5:00.0",
        options: options { $0.addedFunctions = Set([PCIAddress("0000:00:08.1")].compactMap(\.self)) },
        functions: ["0000:c5:00.0", "0000:c5:00.1"], refusals: [.noSuchDevice], says: ["0000:00:08.1"],
        machine: { try apu(driver: "vfio-pci", audio: "vfio-pci") })

    private static let sharedGroup = FieldCase(
        description: "a card of one group: USB and serial bus go with it",
        functions: [
            "0000:01:00.0", "0000:01:00.1", "0000:01:00.2", "0000:01:00.3",
        ],
        steps: [
            "set-driver-override 0000:01:00.0", "set-driver-override 0000:01:00.1", "set-driver-override 0000:01:00.2",
            "set-driver-override 0000:01:00.3", "unbind-driver 0000:01:00.2", "unbind-driver 0000:01:00.1",
            "bind-vfio-pci 0000:01:00.0", "bind-vfio-pci 0000:01:00.1", "bind-vfio-pci 0000:01:00.2",
            "bind-vfio-pci 0000:01:00.3",
        ],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", class: 0x030000, vendor: 0x10de)
                Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", vendor: 0x10de)
                Function("0000:01:00.2", class: 0x0c0330, driver: "xhci_hcd", vendor: 0x10de)
                Function("0000:01:00.3", class: 0x0c8000, vendor: 0x10de)
            }
        })

    /// Virtual functions of an Intel GPU share the physical one's slot number.
    private static func sriov() throws -> FixtureHost {
        try FixtureHost {
            GPU("0000:00:02.0", class: 0x030000, driver: "xe", bootVGA: true, group: 0, vendor: 0x8086)
            GPU(
                "0000:00:02.1", class: 0x030000, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "i915",
                bootVGA: false, group: 17, vendor: 0x8086, physicalFunction: "0000:00:02.0")
            GPU(
                "0000:00:02.2", class: 0x030000, bars: [BAR(0, 0xd100_0000...0xd1ff_ffff)], driver: "vfio-pci",
                bootVGA: false, group: 18, vendor: 0x8086, physicalFunction: "0000:00:02.0")
            Process(777, "qemu-system-x86", holds: "/dev/vfio/18")
        }
    }

    private static let virtualFunction = FieldCase(
        description: "a virtual function goes alone", gpu: "0000:00:02.1", options: options { $0.wholeSlot = true },
        functions: ["0000:00:02.1"],
        steps: ["set-driver-override 0000:00:02.1", "unbind-driver 0000:00:02.1", "bind-vfio-pci 0000:00:02.1"],
        machine: sriov)

    private static let physicalFunction = FieldCase(
        description: "a physical function with virtual ones is refused", gpu: "0000:00:02.0",
        functions: ["0000:00:02.0"],
        refusals: [.hasVirtualFunctions],
        says: ["0000:00:02.1 (i915)", "0000:00:02.2 (vfio-pci, qemu-system-x86 (pid 777) holds /dev/vfio/18)"],
        machine: sriov)

    // MARK: - What a card must have

    /// A configuration header: the registers of BARs 0 to 5.
    private static func header(_ registers: [UInt32]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes[4] = 0x06
        for (index, register) in registers.enumerated() {
            for byte in 0..<4 { bytes[0x10 + 4 * index + byte] = UInt8(truncatingIfNeeded: register >> (8 * byte)) }
        }
        return bytes
    }

    private static let givenUpBAR = FieldCase(
        description: "a BAR that the kernel gave up: an empty row, and a register that is not empty",
        functions: ["0000:01:00.0"], refusals: [.barUnassigned], says: ["BAR 1 of", "Above 4G", "pci=realloc"],
        machine: {
            try FixtureHost {
                GPU(
                    "0000:01:00.0", class: 0x030200,
                    bars: [BAR(0, 0xf600_0000...0xf6ff_ffff, flags: 0x40200), .wide(3, 0xe000_0000...0xe1ff_ffff)],
                    configuration: header([0xf600_0000, 0xc, 0, 0xe000_000c, 0, 0xe001]))
            }
        })

    private static let unsetBAR = FieldCase(
        description: "a BAR that is marked as without an address", functions: ["0000:01:00.0"],
        refusals: [.barUnassigned], says: ["BAR 1 of", "Above 4G"],
        machine: {
            try FixtureHost {
                GPU(
                    "0000:01:00.0",
                    bars: [BAR(0, 0xf600_0000...0xf6ff_ffff), BAR(1, 0...0x7_ffff_ffff, flags: 0x2014_220c)])
            }
        })

    private static let noBAR = FieldCase(
        description: "a GPU of which no row and no register tells a BAR", functions: ["0000:01:00.0"],
        refusals: [.barUnassigned], says: ["no memory BAR", "Above 4G"],
        machine: { try FixtureHost { GPU("0000:01:00.0", bars: [], configuration: header([])) } })

    private static let upperHalf = FieldCase(
        description: "the register after a 64-bit BAR's is no BAR", functions: ["0000:01:00.0"],
        steps: ["set-driver-override 0000:01:00.0", "bind-vfio-pci 0000:01:00.0"],
        machine: {
            try FixtureHost {
                GPU(
                    "0000:01:00.0", bars: [.wide(0, 0x80_0000_0000...0x80_0fff_ffff)],
                    configuration: header([0, 0x80, 0, 0, 0, 0]))
            }
        })

    private static let dead = FieldCase(
        description: "a card that reads 0xff throughout", functions: ["0000:01:00.0"], refusals: [.deadDevice],
        says: ["0xff", "D3cold"],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", driver: "vfio-pci", configuration: [UInt8](repeating: 0xff, count: 64))
            }
        })

    // MARK: - The group

    private static func group(_ kernel: String, with other: Function) -> @Sendable () throws -> FixtureHost {
        {
            try FixtureHost {
                Kernel(kernel)
                GPU("0000:01:00.0")
                other
            }
        }
    }

    private static let switchedNoBridge = FieldCase(
        description: "a device of a bridge's class, without a bridge's header", functions: ["0000:01:00.0"],
        refusals: [.groupNotViable], says: ["0000:05:00.0 (nvidia-nvswitch), bound to a host driver"],
        machine: group(
            "5.10.0", with: Function("0000:05:00.0", class: 0x068000, driver: "nvidia-nvswitch", isBridge: false)))

    private static let bridgeUnderDriverOfItsOwn = FieldCase(
        description: "a bridge under a driver that does DMA of its own", functions: ["0000:01:00.0"],
        refusals: [.groupNotViable],
        machine: group("5.19.0", with: Function("0000:00:01.0", class: 0x060400, driver: "shpchp")))

    private static let bridgeBefore519 = FieldCase(
        description: "the same before 5.19, when the header alone counted", functions: ["0000:01:00.0"],
        steps: ["set-driver-override 0000:01:00.0", "bind-vfio-pci 0000:01:00.0"],
        machine: group("5.18.0", with: Function("0000:00:01.0", class: 0x060400, driver: "shpchp")))

    private static let xen = FieldCase(
        description: "a Xen control domain", functions: ["0000:01:00.0"], refusals: [.noIOMMU], says: ["Xen", "dom0"],
        machine: {
            let host = try FixtureHost {
                VFIODriver(.missing)
                GPU("0000:01:00.0", driver: "pciback", group: nil)
            }
            try host.folder.write("control_d\n", to: "/proc/xen/capabilities")
            return host
        })

    private static let arm = FieldCase(
        description: "ARM without an IOMMU", functions: ["0000:01:00.0"], refusals: [.noIOMMU], says: ["SMMU", "IORT"],
        machine: {
            try FixtureHost {
                Kernel("6.12.63+deb13-arm64")
                GPU("0000:01:00.0", group: nil)
            }
        })

    // MARK: - Cards without a screen

    private static let accelerator = FieldCase(
        description: "a processing accelerator", gpu: "0000:0c:00.0", functions: ["0000:0c:00.0"],
        steps: ["set-driver-override 0000:0c:00.0", "unbind-driver 0000:0c:00.0", "bind-vfio-pci 0000:0c:00.0"],
        machine: {
            try FixtureHost {
                Function(
                    "0000:0c:00.0", class: 0x120000, bars: [.wide(0, 0x80_0000_0000...0x83_ffff_ffff)], driver: "amdgpu"
                )
            }
        })

    private static let acceleratorInUse = FieldCase(
        description: "an accelerator whose node is open", gpu: "0000:0c:00.0", functions: ["0000:0c:00.0"],
        refusals: [.inUse], says: ["/dev/accel/accel0"],
        machine: {
            let host = try FixtureHost {
                Function(
                    "0000:0c:00.0", class: 0x120000, bars: [.wide(0, 0x80_0000_0000...0x83_ffff_ffff)],
                    driver: "habanalabs")
                Process(900, "train", holds: "/dev/accel/accel0")
            }
            try host.folder.makeFolder("/sys/bus/pci/devices/0000:0c:00.0/accel/accel0")
            return host
        })

    private static let coprocessor = FieldCase(
        description: "a co-processor", gpu: "0000:0c:00.0", functions: ["0000:0c:00.0"],
        steps: ["set-driver-override 0000:0c:00.0", "bind-vfio-pci 0000:0c:00.0"],
        machine: {
            try FixtureHost {
                Function("0000:0c:00.0", class: 0x0b4000, bars: [.wide(0, 0x80_0000_0000...0x83_ffff_ffff)])
            }
        })

    // MARK: - Owners

    private static let fb: ClosedRange<UInt64> = 0xc000_0000...0xc07e_8fff
    private static func evicted(_ device: String) -> [String] {
        [
            "set-driver-override 0000:01:00.0", "set-framebuffer-override \(device)", "unbind-framebuffer \(device)",
        ]
    }
    private static let rescanned = [
        "remove-device 0000:01:00.0", "rescan-bus 0000:01:00.0", "bind-vfio-pci 0000:01:00.0",
    ]

    private static func framebuffer(_ kind: FirmwareFramebuffer.Kind) -> @Sendable () throws -> FixtureHost {
        {
            try FixtureHost {
                GPU("0000:01:00.0")
                FirmwareFramebuffer(kind, fb)
            }
        }
    }

    private static let coreboot = FieldCase(
        description: "coreboot's framebuffer stays as BOOTFB does", functions: ["0000:01:00.0"],
        steps: evicted("simple-framebuffer.0") + rescanned, machine: framebuffer(.corebootSimpledrm))

    /// sysfb's own device alone is dropped without a driver: not coreboot's, and from 6.4 to 6.10 not that of a VGA device
    /// that did not boot.
    private static func vga(
        _ kernel: String, _ kind: FirmwareFramebuffer.Kind, isBound: Bool = true
    ) -> @Sendable () throws -> FixtureHost {
        {
            try FixtureHost {
                Kernel(kernel)
                GPU("0000:01:00.0", class: 0x030000, bootVGA: kind == .corebootSimpledrm)
                FirmwareFramebuffer(kind, fb, isBound: isBound)
            }
        }
    }

    private static let corebootVGA = FieldCase(
        description: "coreboot's framebuffer on a VGA card", functions: ["0000:01:00.0"],
        steps: evicted("simple-framebuffer.0") + rescanned, machine: vga("6.12.63", .corebootSimpledrm))

    private static let bootfbVGA65 = FieldCase(
        description: "BOOTFB on a VGA card that did not boot, 6.5", functions: ["0000:01:00.0"],
        refusals: [.residueNeedsRescan], machine: vga("6.5.0", .bootSimpledrm))

    private static let bounceUnbound = FieldCase(
        description: "a bounce that would not end BOOTFB, as its driver is gone",
        options: options {
            $0.residue = .bounce
            $0.allowedNativeDrivers = ["amdgpu"]
        }, functions: ["0000:01:00.0"], refusals: [.residueNeedsRescan], says: ["--residue rescan"],
        machine: vga("6.5.0", .bootSimpledrm, isBound: false))

    private static let nvidiaCounted = FieldCase(
        description: "nvidia's count alone says that somebody uses it", functions: ["0000:01:00.0"], refusals: [.inUse],
        says: ["/sys/module/nvidia/refcnt"],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", class: 0x030200, driver: "nvidia", vendor: 0x10de)
                KernelModule("nvidia", users: 1)
            }
        })

    private static let corebootDriver = FieldCase(
        description: "an entry of a device that carries its name stays as well", functions: ["0000:01:00.0"],
        steps: evicted("coreboot-framebuffer.0") + rescanned, machine: framebuffer(.corebootdrm))

    private static let openFirmware = FieldCase(
        description: "Open Firmware's framebuffer", functions: ["0000:01:00.0"],
        steps: evicted("of-display") + ["bind-vfio-pci 0000:01:00.0"], machine: framebuffer(.ofdrm))

    private static let running = FieldCase(
        description: "a running guest on 7.x, where VFIO calls its regions vfio", functions: ["0000:01:00.0"],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", driver: "vfio-pci", override: "vfio-pci", vfioDevice: "vfio0")
                Line(0xc000_0000...0xc0ff_ffff, "vfio")
                Process(777, "qemu-system-x86", holds: "/dev/vfio/1")
            }
        })

    private static let runningVariant = FieldCase(
        description: "a running guest on a variant, whose regions carry its name", functions: ["0000:01:00.0"],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", driver: "xe-vfio-pci", override: "xe-vfio-pci", vfioDevice: "vfio0")
                Line(0xc000_0000...0xc0ff_ffff, "xe-vfio-pci")
            }
        })

    // MARK: - Which driver

    private static let variant = FieldCase(
        description: "a card on a variant that it needs is not pulled off it", functions: ["0000:01:00.0"],
        machine: {
            try FixtureHost {
                GPU("0000:01:00.0", driver: "nvgrace_gpu_vfio_pci", override: "nvgrace_gpu_vfio_pci")
            }
        })

    private static func withAliases(_ parts: @escaping @Sendable () -> [any Part]) -> @Sendable () throws -> FixtureHost
    {
        {
            let host = try FixtureHost {
                Kernel("6.14.0-fixture")
                parts()
            }
            try host.folder.write(
                """
                alias pci:v000010DEd00002941sv*sd*bc*sc*i* nouveau
                alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
                alias vfio_pci:v000010DEd00002941sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci
                alias vfio_pci:v00008086d*sv*sd*bc03sc*i* xe_vfio_pci

                """, to: "/lib/modules/6.14.0-fixture/modules.alias")
            return host
        }
    }

    private static let bestVariant = FieldCase(
        description: "the best match of the kernel's aliases is loaded and bound", functions: ["0000:01:00.0"],
        steps: [
            "load-driver nvgrace_gpu_vfio_pci", "set-driver-override 0000:01:00.0", "bind-vfio-pci 0000:01:00.0",
        ], machine: withAliases { [GPU("0000:01:00.0", vendor: 0x10de, device: 0x2941)] })

    private static let chosenDriver = FieldCase(
        description: "--driver decides otherwise", options: options { $0.driver = "vfio-pci" },
        functions: ["0000:01:00.0"],
        steps: ["set-driver-override 0000:01:00.0", "bind-vfio-pci 0000:01:00.0"],
        machine: withAliases { [GPU("0000:01:00.0", vendor: 0x10de, device: 0x2941)] })

    private static let unknownDriver = FieldCase(
        description: "--driver with a variant that this kernel has not",
        options: options { $0.driver = "mlx5_vfio_pci" },
        functions: ["0000:01:00.0"], refusals: [.vfioPCIMissing], says: ["mlx5_vfio_pci"],
        machine: withAliases { [GPU("0000:01:00.0")] })

    private static let noVFIODriver = FieldCase(
        description: "--driver with a driver that is not VFIO's", options: options { $0.driver = "amdgpu" },
        functions: ["0000:01:00.0"], refusals: [.vfioPCIMissing], says: ["amdgpu is not a VFIO driver"],
        machine: withAliases { [GPU("0000:01:00.0")] })
}
