import Aperture
import Fixtures

/// A machine, facts about it, and what a finding of one name says of them.
struct DiagnosisRow: CustomStringConvertible {
    var name: Finding.Name
    var description: String
    /// `nil`: there is no such finding.
    var mark: Finding.Mark?
    var says: [String] = []
    var machine = Recipe { try FixtureHost { GPU("0000:01:00.0") } }
    var facts: Change = { _ in }

    typealias Change = @Sendable (inout HostFacts) -> Void

    /// How a machine is made.
    struct Recipe: Sendable {
        let make: @Sendable () throws -> FixtureHost

        init(make: @escaping @Sendable () throws -> FixtureHost) {
            self.make = make
        }
    }

    static func machine(@MachineBuilder _ parts: @escaping @Sendable () -> [any Part]) -> Recipe {
        Recipe { try FixtureHost(parts) }
    }

    /// One GPU on this kernel.
    static func kernel(_ version: String) -> Recipe {
        machine {
            Kernel(version)
            GPU("0000:01:00.0")
        }
    }

    static let gpu = PCIAddress("0000:01:00.0")

    /// Changes what is known of the card.
    static func detail(_ change: @escaping @Sendable (inout FunctionDetail) -> Void) -> Change {
        { facts in
            guard let gpu else { return }
            var detail = FunctionDetail()
            change(&detail)
            facts.details[gpu] = detail
        }
    }

    static func line(_ text: String) -> Change {
        { $0.commandLine = .known(KernelCommandLine(text)) }
    }

    static func modprobe(_ text: String, path: String = "/etc/modprobe.d/local.conf") -> Change {
        { $0.moduleLines = .known(ModuleLine.parse(text, path: path)) }
    }

    static let all = machines + options + ways + hardware + wishes

    // MARK: - The machine

    private static let ungrouped = machine { GPU("0000:01:00.0", group: nil) }

    private static func intel(
        _ line: String, tables: Set<String>?, byDefault: Bool? = nil
    ) -> Change {
        { facts in
            facts.commandLine = .known(KernelCommandLine(line))
            facts.processor = .known(ProcessorFacts(vendor: "GenuineIntel"))
            facts.firmwareTables = tables.map { .known($0) } ?? .unknown("permission denied")
            facts.isIntelIOMMUOnByDefault = byDefault.map { .known($0) } ?? .unknown("there is no /boot/config")
        }
    }

    private static func amd(_ line: String, tables: Set<String>) -> Change {
        { facts in
            facts.commandLine = .known(KernelCommandLine(line))
            facts.processor = .known(ProcessorFacts(vendor: "AuthenticAMD"))
            facts.firmwareTables = .known(tables)
        }
    }

    private static func interrupts(_ lines: String...) -> Change {
        { facts in
            var found = InterruptControllers()
            for line in lines { found.read(line: Array(line.utf8)) }
            facts.interrupts = .known(found)
        }
    }

    private static let machines: [DiagnosisRow] = [
        DiagnosisRow(name: .iommu, description: "groups are there", mark: .ok, says: ["dmar0"]) {
            $0.iommus = .known([IOMMUUnit(name: "dmar0")])
        },
        DiagnosisRow(
            name: .iommu, description: "Intel, described, and without the option", mark: .note,
            says: ["DMAR", "intel_iommu=on", "CONFIG_INTEL_IOMMU_DEFAULT_ON is not set"], machine: ungrouped,
            facts: intel("quiet", tables: ["DMAR", "APIC"], byDefault: false)),
        DiagnosisRow(
            name: .iommu, description: "Intel, not described, on by default", mark: .note,
            says: ["no ACPI table DMAR", "Switch VT-d on in the firmware."], machine: ungrouped,
            facts: intel("quiet", tables: ["APIC"], byDefault: true)),
        DiagnosisRow(
            name: .iommu, description: "Intel, switched off", mark: .note, says: ["intel_iommu=off"],
            machine: ungrouped,
            facts: intel("intel_iommu=off", tables: ["DMAR"])),
        DiagnosisRow(
            name: .iommu, description: "Intel, described and asked for", mark: .unknown, says: ["needs no option"],
            machine: ungrouped, facts: intel("intel_iommu=on,sm_on", tables: ["DMAR"])),
        DiagnosisRow(
            name: .iommu, description: "Intel, tables that cannot be listed", mark: .unknown,
            says: ["permission denied", "intel_iommu=on"], machine: ungrouped, facts: intel("", tables: nil)),
        DiagnosisRow(
            name: .iommu, description: "AMD, not described: no option helps", mark: .note,
            says: ["IVRS", "Switch AMD-Vi on in the firmware."], machine: ungrouped, facts: amd("", tables: ["APIC"])),
        DiagnosisRow(
            name: .iommu, description: "AMD, switched off", mark: .note, says: ["amd_iommu=off"], machine: ungrouped,
            facts: amd("amd_iommu=off", tables: ["IVRS"])),
        DiagnosisRow(
            name: .iommu, description: "AMD, described", mark: .unknown, says: ["needs no option"], machine: ungrouped,
            facts: amd("", tables: ["IVRS"])),
        DiagnosisRow(
            name: .iommu, description: "a processor that is not known", mark: .unknown, says: ["not read"],
            machine: ungrouped),
        DiagnosisRow(
            name: .iommu, description: "Xen's control domain", mark: .note, says: ["Xen"],
            machine: Recipe {
                let host = try FixtureHost { GPU("0000:01:00.0", group: nil) }
                try host.folder.write("control_d\n", to: "/proc/xen/capabilities")
                return host
            }),
        DiagnosisRow(
            name: .iommu, description: "ARM without a table", mark: .note, says: ["SMMU", "IORT"],
            machine: machine {
                Kernel("6.12.63+deb13-arm64")
                GPU("0000:01:00.0", group: nil)
            }
        ) { $0.firmwareTables = .known(["APIC"]) },
        DiagnosisRow(
            name: .interruptRemapping, description: "remapped", mark: .ok,
            facts: interrupts("  1:   0  3  IR-IO-APIC   1-edge  i8042", " 56: 40 0 IR-PCI-MSIX-0000:0b:00.3 0-edge x")),
        DiagnosisRow(
            name: .interruptRemapping, description: "not remapped", mark: .note,
            says: ["hands no card to a guest", "in the firmware"],
            facts: interrupts("  1:   0  3  IO-APIC   1-edge  i8042")),
        DiagnosisRow(
            name: .interruptRemapping, description: "not remapped, and switched off", mark: .note,
            says: ["Remove intremap=off"]
        ) { facts in
            line("intremap=off")(&facts)
            interrupts(" 24: 0 PCI-MSI-0000:00:02.0 0-edge xhci_hcd")(&facts)
        },
        DiagnosisRow(
            name: .interruptRemapping, description: "not remapped, and allowed nevertheless", mark: .note,
            says: ["any interrupt", "cannot"]
        ) { facts in
            facts.allowsUnsafeInterrupts = .known(true)
            facts.iommus = .known([IOMMUUnit(name: "dmar0", extendedCapability: 0xf0_0000)])
            interrupts("  1:   0  3  IO-APIC   1-edge  i8042")(&facts)
        },
        DiagnosisRow(name: .interruptRemapping, description: "unreadable", mark: .unknown, says: ["not read"]),
        DiagnosisRow(
            name: .interruptRemapping, description: "only timers", mark: .unknown,
            facts: interrupts("LOC: 1 2 Local timer interrupts", " 0: 5 XT-PIC timer")),
        DiagnosisRow(name: .interruptRemapping, description: "no IOMMU", mark: nil, machine: ungrouped),
        DiagnosisRow(name: .memoryLock, description: "unreadable", mark: .unknown),
        DiagnosisRow(name: .memoryLock, description: "set by no file", mark: .unknown, says: ["No file sets it"]) {
            $0.memoryLocks = .known([])
        },
        DiagnosisRow(name: .memoryLock, description: "unlimited", mark: .ok, says: ["/etc/security/limits.d/vm.conf"]) {
            $0.memoryLocks = .known(
                MemoryLock.parse("@kvm - memlock unlimited", path: "/etc/security/limits.d/vm.conf"))
        },
        DiagnosisRow(name: .memoryLock, description: "limited", mark: .note, says: ["DefaultLimitMEMLOCK=8G"]) {
            $0.memoryLocks = .known(MemoryLock.parse("DefaultLimitMEMLOCK=8G", path: "/etc/systemd/system.conf"))
        },
        DiagnosisRow(
            name: .brokenLink, description: "a card that moved", mark: .note, says: ["no device at 0000:09:00.0"]
        ) {
            $0.links = .known([EnablementLink(path: "/etc/x.wants/u", instance: "0000:09:00.0")])
            $0.presentFunctions = .known([])
            $0.isUnitInstalled = .known(true)
        },
        DiagnosisRow(name: .brokenLink, description: "no address", mark: .note, says: ["gpu0 is no PCI address"]) {
            $0.links = .known([EnablementLink(path: "/etc/x.wants/u", instance: "gpu0")])
        },
        DiagnosisRow(name: .brokenLink, description: "no unit", mark: .note, says: ["finds no apertured@.service"]) {
            $0.links = .known([EnablementLink(path: "/etc/x.wants/u", instance: "0000:01:00.0")])
            $0.isUnitInstalled = .known(false)
        },
        DiagnosisRow(name: .brokenLink, description: "a link in order", mark: nil) {
            $0.links = .known([EnablementLink(path: "/etc/x.wants/u", instance: "0000:01:00.0")])
            $0.presentFunctions = .known(Set([gpu].compactMap(\.self)))
            $0.isUnitInstalled = .known(true)
        },
    ]

    // MARK: - Options

    private static let options: [DiagnosisRow] = [
        DiagnosisRow(
            name: .kernelOption, description: "none in the way", mark: .ok,
            facts: line("quiet iommu=pt video=HDMI-A-1:off")),
        DiagnosisRow(name: .kernelOption, description: "unreadable", mark: .unknown, says: ["not read"]),
        DiagnosisRow(
            name: .kernelOption, description: "efifb off", mark: .note, says: ["efifb and no other"],
            facts: line("video=efifb:off")),
        DiagnosisRow(
            name: .kernelOption, description: "two drivers in one option, of which the kernel sees the first",
            mark: .note,
            says: ["vesafb and no other"], facts: line("video=vesafb:off,efifb:off")),
        DiagnosisRow(
            name: .kernelOption, description: "simplefb off", mark: .note, says: ["simplefb and no other"],
            facts: line("video=simplefb:off")),
        DiagnosisRow(
            name: .kernelOption, description: "sysfb_init", mark: .note, says: ["no device of the firmware's screen"],
            facts: line("initcall_blacklist=acpi_cpufreq_init,sysfb_init")),
        DiagnosisRow(
            name: .kernelOption, description: "simpledrm", mark: .note, says: ["BOOTFB"],
            facts: line("initcall_blacklist=simpledrm_platform_driver_init")),
        DiagnosisRow(name: .kernelOption, description: "nomodeset", mark: .note, facts: line("nomodeset")),
        DiagnosisRow(
            name: .kernelOption, description: "the patch for groups", mark: .note, says: ["patched"],
            facts: line("pcie_acs_override=downstream,multifunction")),
        DiagnosisRow(
            name: .kernelOption, description: "VFIO's module forbidden", mark: .note, says: ["will not load vfio_pci."],
            facts: line("module_blacklist=vfio-pci,nouveau")),
        DiagnosisRow(
            name: .kernelOption, description: "another module forbidden", mark: .ok,
            facts: line("module_blacklist=pcspkr")),
        DiagnosisRow(
            name: .kernelOption, description: "no VGA", mark: .note, says: ["x-vga"],
            facts: line("vfio-pci.disable_vga=1")),
        DiagnosisRow(
            name: .kernelOption, description: "VGA", mark: .ok, facts: line("vfio_pci.disable_vga=0")),
        DiagnosisRow(
            name: .kernelOption, description: "behind --, where init's words are", mark: .ok,
            facts: line("quiet -- nomodeset")),
        DiagnosisRow(
            name: .moduleOption, description: "none in the way", mark: .ok, facts: modprobe("options kvm x=1\n")),
        DiagnosisRow(name: .moduleOption, description: "unreadable", mark: .unknown),
        DiagnosisRow(
            name: .moduleOption, description: "no VGA", mark: .note, says: ["/etc/modprobe.d/local.conf"],
            facts: modprobe("options vfio-pci ids=1234:1111 \\\n  disable_vga=Y\n")),
        DiagnosisRow(
            name: .moduleOption, description: "a command for the module", mark: .note, says: ["install vfio_pci"],
            facts: modprobe("install vfio-pci /bin/false\n")),
        DiagnosisRow(
            name: .moduleOption, description: "a comment", mark: .ok, facts: modprobe("# install vfio-pci /bin/false\n")
        ),
        DiagnosisRow(
            name: .moduleOption, description: "a native driver of the card's vendor on the blacklist", mark: .note,
            says: ["amdgpu (/etc/modprobe.d/local.conf)"], machine: machine { GPU("0000:01:00.0", vendor: 0x1002) },
            facts: modprobe("blacklist amdgpu\nblacklist i915\n")),
        DiagnosisRow(
            name: .moduleOption, description: "a blacklist of a package", mark: .ok,
            machine: machine { GPU("0000:01:00.0", vendor: 0x10de) },
            facts: modprobe("blacklist nouveau\n", path: "/usr/lib/modprobe.d/nvidia.conf")),
    ]

    // MARK: - The way to VFIO

    private static let dead = [UInt8](repeating: 0xff, count: 64)
    private static let alive = [UInt8](repeating: 0, count: 64)

    private static let ways: [DiagnosisRow] = [
        DiagnosisRow(
            name: .card, description: "a card that answers", mark: .ok,
            machine: machine { GPU("0000:01:00.0", configuration: alive) }),
        DiagnosisRow(
            name: .card, description: "a configuration that cannot be read", mark: .unknown, says: ["could not be read"]
        ),
        DiagnosisRow(
            name: .card, description: "a card that sleeps", mark: .unknown, says: ["sleeps"],
            facts: detail { $0.power.state = "D3cold" }),
        DiagnosisRow(
            name: .card, description: "a dead card, which is an obstacle", mark: nil,
            machine: machine { GPU("0000:01:00.0", configuration: dead) }),
        DiagnosisRow(
            name: .group, description: "alone", mark: .ok, says: ["Group 1 holds 0000:01:00.0 and nothing else."]),
        DiagnosisRow(
            name: .group, description: "with a bridge", mark: .ok, says: ["0000:00:01.0 (pcieport)"],
            machine: machine {
                GPU("0000:01:00.0")
                Function("0000:00:01.0", class: 0x060400, driver: "pcieport")
            }),
        DiagnosisRow(
            name: .group, description: "with a host's device, which is an obstacle", mark: nil,
            machine: machine {
                GPU("0000:01:00.0")
                Function("0000:05:00.0", class: 0x020000, driver: "e1000e")
            }),
        DiagnosisRow(name: .vfioDriver, description: "registered", mark: .ok, says: ["vfio-pci is there"]),
        DiagnosisRow(
            name: .vfioDriver, description: "a module", mark: .ok, says: ["the claim loads it"],
            machine: machine {
                VFIODriver(.loadable)
                GPU("0000:01:00.0")
            }),
        DiagnosisRow(
            name: .vfioDriver, description: "missing, which is an obstacle", mark: nil,
            machine: machine {
                VFIODriver(.missing)
                GPU("0000:01:00.0")
            }),
        DiagnosisRow(name: .framebuffer, description: "none", mark: .ok, says: ["Nothing is in the card's BARs."]),
        DiagnosisRow(
            name: .framebuffer, description: "efifb", mark: .ok,
            says: ["efifb (efi-framebuffer.0) in BAR 0", "rung evict"],
            machine: machine {
                GPU("0000:01:00.0")
                FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            }),
        DiagnosisRow(
            name: .framebuffer, description: "BOOTFB, which needs a rescan", mark: .note, says: ["evict, rescan"],
            machine: machine {
                GPU("0000:01:00.0")
                FirmwareFramebuffer(.bootSimpledrm, 0xc000_0000...0xc03e_7fff)
            }),
        DiagnosisRow(
            name: .framebuffer, description: "a framebuffer behind an obstacle", mark: .note, says: ["is decided when"],
            machine: machine {
                GPU("0000:01:00.0", group: nil)
                FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            }),
        DiagnosisRow(
            name: .framebuffer, description: "addresses that are hidden", mark: .unknown,
            machine: machine {
                GPU("0000:01:00.0")
                MaskedMemoryMap()
            }),
        DiagnosisRow(
            name: .risk, description: "an efifb that a process holds on a kernel before 5.18, forced", mark: nil),
        DiagnosisRow(
            name: .risk, description: "a VGA card whose framebuffer device cannot come back", mark: .note,
            machine: machine {
                GPU("0000:01:00.0", class: 0x030000, bootVGA: true)
                FirmwareFramebuffer(.bootSimpledrm, 0xc000_0000...0xc03e_7fff)
            }),
        DiagnosisRow(name: .driver, description: "none", mark: .ok, says: ["No driver"]),
        DiagnosisRow(
            name: .driver, description: "a native one", mark: .ok, says: ["amdgpu has the card"],
            machine: machine { GPU("0000:01:00.0", driver: "amdgpu") }),
        DiagnosisRow(
            name: .driver, description: "a card on VFIO", mark: nil,
            machine: machine { GPU("0000:01:00.0", driver: "vfio-pci") }),
        DiagnosisRow(name: .nvidiaModules, description: "another card", mark: nil),
        DiagnosisRow(
            name: .nvidiaModules, description: "nvidia, and nobody uses it", mark: .ok, says: ["None of them"],
            machine: machine {
                GPU("0000:01:00.0", driver: "nvidia", vendor: 0x10de)
                KernelModule("nvidia")
            }),
        DiagnosisRow(
            name: .nvidiaModules, description: "nvidia_drm keeps the card, which is an obstacle", mark: nil,
            machine: machine {
                GPU("0000:01:00.0", driver: "nvidia", vendor: 0x10de)
                KernelModule("nvidia")
                KernelModule("nvidia_modeset")
                KernelModule("nvidia_drm")
            }),
        DiagnosisRow(
            name: .nvidiaModules, description: "no module is listed", mark: .unknown,
            machine: machine { GPU("0000:01:00.0", driver: "nvidia", vendor: 0x10de) }),
        DiagnosisRow(name: .holders, description: "nobody", mark: .ok, says: ["No process"]),
        DiagnosisRow(
            name: .holders, description: "a guest", mark: .note,
            says: ["qemu-system-x86 (pid 777) holds /dev/vfio/1", "Stop the guest first before you release the card."],
            machine: machine {
                GPU("0000:01:00.0", driver: "vfio-pci", override: "vfio-pci", vfioDevice: "vfio0")
                Process(777, "qemu-system-x86", holds: "/dev/vfio/1")
            }),
        DiagnosisRow(
            name: .lastScreen, description: "the only screen", mark: .note, says: ["last display device"],
            machine: machine { GPU("0000:01:00.0", class: 0x030000, driver: "amdgpu", bootVGA: true) }),
        DiagnosisRow(
            name: .lastScreen, description: "one of two", mark: .ok,
            machine: machine {
                GPU("0000:01:00.0", class: 0x030000, driver: "amdgpu", bootVGA: true)
                GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "i915", group: 2)
            }),
        DiagnosisRow(name: .hostLoses, description: "nothing", mark: nil),
        DiagnosisRow(
            name: .hostLoses, description: "a keyboard", mark: .note, says: ["AT Keyboard"],
            machine: Recipe {
                let host = try FixtureHost {
                    GPU("0000:01:00.0", class: 0x030000, vendor: 0x10de)
                    Function("0000:01:00.2", class: 0x0c0330, driver: "xhci_hcd", vendor: 0x10de)
                }
                var files = HostFiles(host.folder)
                try files.input("pci0000:00/0000:01:00.2/usb1/1-1/1-1:1.0/input/input7", name: "AT Keyboard")
                return host
            }),
    ]

    // MARK: - The hardware

    private static let wide = machine { GPU("0000:01:00.0", bars: [.wide(0, 0x20_0000_0000...0x27_ffff_ffff)]) }

    private static let hardware: [DiagnosisRow] = [
        DiagnosisRow(
            name: .bars, description: "all in place", mark: .ok, says: ["BAR 0 16 MiB"],
            machine: machine { GPU("0000:01:00.0", configuration: alive) }),
        DiagnosisRow(
            name: .bars, description: "a configuration that was not read", mark: .unknown, says: ["not known"]),
        DiagnosisRow(
            name: .bars, description: "one without room, which is an obstacle", mark: nil,
            machine: machine {
                GPU("0000:01:00.0", bars: [BAR(1, 0...0x7_ffff_ffff, flags: 0x2014_220c)], configuration: alive)
            }),
        DiagnosisRow(name: .addressWidth, description: "no 64-bit BAR", mark: nil),
        DiagnosisRow(
            name: .addressWidth, description: "a width that is not known", mark: .unknown, says: ["38"], machine: wide),
        DiagnosisRow(
            name: .addressWidth, description: "enough", mark: .ok, says: ["32 GiB", "phys-bits of 38 to 46"],
            machine: wide
        ) { $0.processor = .known(ProcessorFacts(addressBits: 46)) },
        DiagnosisRow(
            name: .addressWidth, description: "too narrow an IOMMU", mark: .note,
            says: ["translates 36", "X-PciMmio64Mb"],
            machine: wide
        ) {
            $0.processor = .known(ProcessorFacts(addressBits: 46))
            $0.iommus = .known([IOMMUUnit(name: "dmar0", capability: 35 << 16)])
        },
        DiagnosisRow(
            name: .addressWidth, description: "too narrow a processor", mark: .note, says: ["the processor has 36"],
            machine: wide
        ) { $0.processor = .known(ProcessorFacts(addressBits: 36)) },
        DiagnosisRow(name: .resizableBAR, description: "unread", mark: .unknown),
        DiagnosisRow(
            name: .resizableBAR, description: "a BAR with room to grow", mark: .ok,
            says: ["BAR 0 has 16 MiB and can have 256 MiB to 16 GiB"], facts: detail { $0.resizing = [0: 0x7f00] }),
        DiagnosisRow(
            name: .resizableBAR, description: "none", mark: .ok, says: ["No BAR can change its size"],
            facts: detail { _ in }),
        DiagnosisRow(
            name: .resizableBAR, description: "none, on the first kernel that would show it", mark: .ok,
            machine: kernel("6.1.0"), facts: detail { _ in }),
        DiagnosisRow(
            name: .resizableBAR, description: "a kernel that does not show it", mark: .unknown,
            machine: kernel("6.0.19"), facts: detail { _ in }),
        DiagnosisRow(
            name: .resizableBAR, description: "a card that was not woken", mark: .unknown, says: ["sleeps"],
            facts: detail { $0.resizingUnknown = "the card sleeps, and was not woken" }),
        DiagnosisRow(name: .reset, description: "unread", mark: .unknown),
        DiagnosisRow(
            name: .reset, description: "a reset of its own", mark: .ok, says: ["flr, bus"],
            facts: detail { $0.resetMethods = ["flr", "bus"] }),
        DiagnosisRow(
            name: .reset, description: "the bus's, on which nothing else is", mark: .ok, says: ["by bus"],
            facts: detail { $0.resetMethods = ["bus"] }),
        DiagnosisRow(
            name: .reset, description: "none", mark: .note, says: ["cannot reset the card alone", "--whole-slot"],
            facts: detail { $0.resetMethods = [] }),
        DiagnosisRow(
            name: .reset, description: "5.14, with a reset", mark: .ok, says: ["does not say how"],
            machine: kernel("5.14.0"),
            facts: detail { $0.canBeReset = true }),
        DiagnosisRow(
            name: .reset, description: "5.14, without", mark: .unknown,
            machine: kernel("5.14.0"), facts: detail { _ in }),
        DiagnosisRow(
            name: .reset, description: "5.15, without a list", mark: .note, says: ["cannot reset the card alone"],
            machine: kernel("5.15.0"), facts: detail { _ in }),
        DiagnosisRow(name: .power, description: "unread", mark: .unknown),
        DiagnosisRow(name: .power, description: "not shown", mark: .unknown, facts: detail { _ in }),
        DiagnosisRow(
            name: .power, description: "awake", mark: .ok, says: ["D0, active", "keeps its power"],
            facts: detail {
                $0.power = PowerState(runtimeStatus: "active", state: "D0")
                $0.mayLosePower = false
            }),
        DiagnosisRow(
            name: .power, description: "in D3hot", mark: .ok, says: ["D3hot"],
            facts: detail { $0.power = PowerState(runtimeStatus: "suspended", state: "D3hot") }),
        DiagnosisRow(
            name: .power, description: "in D3cold", mark: .note, says: ["a claim wakes it", "d3cold_allowed"],
            facts: detail { $0.power = PowerState(runtimeStatus: "suspended", state: "D3cold") }),
        DiagnosisRow(name: .rom, description: "unread", mark: .unknown),
        DiagnosisRow(
            name: .rom, description: "one", mark: .ok, says: ["128 KiB", "not read"],
            facts: detail { $0.romSize = 131_072 }),
        DiagnosisRow(name: .rom, description: "none", mark: .note, says: ["shows none"], facts: detail { _ in }),
        DiagnosisRow(
            name: .rom, description: "a shadow", mark: .note, says: ["0xc0000", "romfile="],
            machine: Recipe {
                let host = try FixtureHost { GPU("0000:01:00.0") }
                let path = "/sys/bus/pci/devices/0000:01:00.0/resource"
                var rows = try host.folder.text(path).split(separator: "\n").map(String.init)
                rows[6] = "0x00000000000c0000 0x00000000000dffff 0x0000000000000212"
                try host.folder.write(rows.joined(separator: "\n") + "\n", to: path)
                return host
            }, facts: detail { $0.romSize = 131_072 }),
    ]

    // MARK: - Wishes

    private static let twins = machine {
        GPU("0000:01:00.0", vendor: 0x1002, device: 0x744c)
        GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2, vendor: 0x1002, device: 0x744c)
    }
    private static let radeon = machine { GPU("0000:01:00.0", vendor: 0x1002, device: 0x744c) }

    private static let wishes: [DiagnosisRow] = [
        DiagnosisRow(name: .initramfs, description: "unread", mark: .unknown, says: ["not read"]),
        DiagnosisRow(
            name: .initramfs, description: "no native driver named", mark: .unknown, says: ["without unpacking"],
            machine: radeon
        ) { $0.initramfsModules = .known([ModuleMention(module: "i915", path: "/etc/initramfs-tools/modules")]) },
        DiagnosisRow(
            name: .initramfs, description: "the card's driver named", mark: .note,
            says: ["amdgpu (/etc/mkinitcpio.conf)"],
            machine: radeon
        ) {
            $0.initramfsModules = .known(
                ModuleMention.parse("MODULES=(btrfs amdgpu)\n# i915\n", path: "/etc/mkinitcpio.conf"))
        },
        DiagnosisRow(
            name: .deviceIDs, description: "a twin", mark: .note,
            says: ["also 0000:02:00.0", "vfio-pci in the command line"],
            machine: twins, facts: line("vfio-pci.ids=1002:744c,1002:ab30")),
        DiagnosisRow(
            name: .deviceIDs, description: "a twin by a file, for pci-stub", mark: .note,
            says: ["pci-stub in /etc/modprobe.d/local.conf"], machine: twins,
            facts: modprobe("options pci-stub ids=1002:744c\n")),
        DiagnosisRow(
            name: .deviceIDs, description: "no twin", mark: .ok, says: ["no other GPU"], machine: radeon,
            facts: line("vfio_pci.ids=1002:744c")),
        DiagnosisRow(
            name: .deviceIDs, description: "another card's", mark: nil, machine: radeon,
            facts: line("vfio-pci.ids=10de:2204")),
        DiagnosisRow(
            name: .deviceIDs, description: "a subsystem that this card has not", mark: nil, machine: twins,
            facts: line("vfio-pci.ids=1002:744c:1da2:e471")),
        DiagnosisRow(name: .driverctl, description: "unread", mark: .unknown),
        DiagnosisRow(name: .driverctl, description: "another card's", mark: nil) {
            guard let other = PCIAddress("0000:02:00.0") else { return }
            $0.driverctl = .known([SavedOverride(address: other, driver: "vfio-pci", path: "/etc/driverctl.d/x")])
        },
        DiagnosisRow(
            name: .driverctl, description: "this card, for another driver", mark: .note,
            says: ["to nouveau", "/etc/driverctl.d/pci-0000:01:00.0", "the later one wins"]
        ) {
            guard let gpu else { return }
            $0.driverctl = .known([
                SavedOverride(address: gpu, driver: "nouveau", path: "/etc/driverctl.d/pci-0000:01:00.0")
            ])
        },
        DiagnosisRow(name: .libvirt, description: "unread", mark: .unknown),
        DiagnosisRow(name: .libvirt, description: "no guest", mark: nil) { $0.libvirt = .known([]) },
        DiagnosisRow(name: .libvirt, description: "managed", mark: .note, says: ["win11", "virsh edit win11"]) {
            guard let gpu else { return }
            $0.libvirt = .known([LibvirtDevice(guest: "win11", address: gpu, isManaged: true, path: "/x.xml")])
        },
        DiagnosisRow(name: .libvirt, description: "not managed", mark: .ok, says: ["leaves its driver alone"]) {
            guard let gpu else { return }
            $0.libvirt = .known([LibvirtDevice(guest: "win11", address: gpu, isManaged: false, path: "/x.xml")])
        },
        DiagnosisRow(name: .xenPciback, description: "nothing", mark: nil, facts: line("quiet")),
        DiagnosisRow(
            name: .xenPciback, description: "hidden by the command line", mark: .note,
            facts: line("xen-pciback.hide=(01:00.0)(01:00.1)")),
        DiagnosisRow(
            name: .xenPciback, description: "another one hidden", mark: nil,
            facts: line("xen-pciback.hide=(0001:01:00.0)")),
        DiagnosisRow(
            name: .xenPciback, description: "bound", mark: .note,
            machine: machine { GPU("0000:01:00.0", driver: "pciback") }),
        DiagnosisRow(name: .configuration, description: "not asked for", mark: nil),
        DiagnosisRow(name: .configuration, description: "allowed", mark: .ok) {
            guard let gpu else { return }
            $0.configuration[gpu] = .known([])
        },
        DiagnosisRow(name: .configuration, description: "unreadable", mark: .unknown, says: ["permission denied"]) {
            guard let gpu else { return }
            $0.configuration[gpu] = .unknown("permission denied")
        },
        DiagnosisRow(name: .configuration, description: "refused", mark: .note, says: ["ambiguous", "Say which."]) {
            guard let gpu else { return }
            $0.configuration[gpu] = .known([Refusal(.ambiguous, "Two match.", remedy: "Say which.")])
        },
        DiagnosisRow(name: .unit, description: "unread", mark: .unknown),
        DiagnosisRow(name: .unit, description: "not enabled", mark: .note, says: ["apertured enable --now"]) {
            $0.links = .known([])
        },
        DiagnosisRow(name: .unit, description: "enabled", mark: .ok) {
            $0.links = .known([EnablementLink(path: "/etc/x.wants/u", instance: "0000:01:00.0")])
        },
        DiagnosisRow(name: .unit, description: "of a guard of several", mark: .ok, says: ["apertured.service guards"]) {
            guard let gpu else { return }
            $0.links = .known([])
            $0.jointlyGuarded = .known([gpu: "apertured.service"])
        },
        DiagnosisRow(name: .unit, description: "beside a guard of others", mark: .note, says: ["is not enabled"]) {
            guard let other = PCIAddress("0000:02:00.0") else { return }
            $0.links = .known([])
            $0.jointlyGuarded = .known([other: "apertured.service"])
        },
        DiagnosisRow(name: .unit, description: "of an unread guard", mark: .unknown, says: ["not known: EACCES"]) {
            $0.links = .known([])
            $0.jointlyGuarded = .unknown("EACCES")
        },
        DiagnosisRow(name: .record, description: "none", mark: .ok, says: ["no claim"]) {
            guard let gpu else { return }
            $0.records[gpu] = .known(false)
        },
        DiagnosisRow(name: .record, description: "not trusted", mark: .obstacle, says: ["its mode is 755", "root"]) {
            guard let gpu else { return }
            $0.records[gpu] = .unknown("its mode is 755")
        },
    ]
}
