import Aperture
import Fixtures
import Reclaim
import Testing

private let gpu = "0000:01:00.0"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// A plan of one kind, whose every write is made to fail in turn.
struct FaultedPlan: CustomTestStringConvertible {
    var name: String
    var machine: @Sendable () throws -> FixtureHost
    var options = ClaimOptions()
    /// How many writes the plan makes when nothing fails.
    var writes: Int
    /// The first of them that must have been made for the way back not to be whole: the kernel drops what is to come back, or
    /// a card that is claimed already is better off without.
    var losingWrite = Int.max
    /// Whether a native driver takes the card at the rescan, and keeps it where the claim went no further.
    var isTakenByNative = false

    var testDescription: String { name }

    static let evict = FaultedPlan(
        name: "evict",
        machine: {
            try FixtureHost {
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb)
            }
        }, writes: 4)

    static let bounce = FaultedPlan(
        name: "bounce",
        machine: {
            try FixtureHost {
                Kernel("6.1.0-50-amd64")
                GPU(gpu)
                FirmwareFramebuffer(.bootSimpledrm, fb)
            }
        },
        options: {
            var options = ClaimOptions()
            options.allowedNativeDrivers = ["bochs"]
            return options
        }(), writes: 6, losingWrite: 2)

    static let loading = FaultedPlan(
        name: "vfio-pci is a module",
        machine: {
            try FixtureHost {
                VFIODriver(.loadable)
                GPU(gpu)
                FirmwareFramebuffer(.efifb, fb)
            }
        }, writes: 4)

    static let unloading = FaultedPlan(
        name: "nvidia's modules",
        machine: {
            try FixtureHost {
                KernelModule("nvidia")
                KernelModule("nvidia_modeset")
                KernelModule("nvidia_drm", parameters: ["modeset": "Y"])
                KernelModule("nvidia_uvm")
                GPU(gpu, class: 0x030200, driver: "nvidia")
                Line(0xc000_0000...0xc0ff_ffff, "nvidia")
            }
        },
        options: {
            var options = ClaimOptions()
            options.unloadsNative = true
            return options
        }(), writes: 2)

    static let stopping = FaultedPlan(
        name: "a display manager that has the card",
        machine: {
            try FixtureHost {
                GPU(gpu, driver: "amdgpu")
                CardNode(0, of: gpu)
                Process(650, "gdm3", holds: "/dev/null", of: "gdm.service")
                Process(
                    700, "Xorg", holds: "/dev/dri/card0", of: "gdm.service",
                    group: "/user.slice/user-1000.slice/session-2.scope", parent: 650)
                Process(701, "persistenced", holds: "/dev/dri/card0", of: "persistenced.service")
            }
        },
        options: {
            var options = ClaimOptions()
            options.stoppableUnits = ["gdm.service", "persistenced.service"]
            return options
        }(), writes: 3)

    static let all = [
        evict, bounce, loading, unloading, stopping,
        FaultedPlan(
            name: "rescan",
            machine: {
                try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
                }
            }, writes: 6, losingWrite: 3),
        FaultedPlan(
            name: "a whole card with a text console",
            machine: {
                try FixtureHost {
                    Kernel("5.10.0-32-amd64")
                    GPU(gpu, class: 0x030000, driver: "amdgpu", bootVGA: true)
                    Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
                    Console(0, "(S) VGA+", isBound: true)
                    Console(1, "(M) frame buffer device", isBound: false)
                }
            }, writes: 7),
        FaultedPlan(
            name: "vga16fb",
            machine: {
                try FixtureHost {
                    Kernel("5.10.0-32-amd64")
                    GPU(gpu, class: 0x030000, bootVGA: true)
                    FirmwareFramebuffer(.vga16fb, 0xa0000...0xbffff)
                }
            }, writes: 4),
        FaultedPlan(
            name: "a framebuffer that is held",
            machine: {
                let host = try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.efifb, fb)
                    Process(812, "plymouthd", holds: "/dev/fb0")
                }
                host.kernel.heldForPauses = 2
                return host
            }, writes: 4),
        FaultedPlan(
            name: "the udev rule came first",
            machine: {
                try FixtureHost {
                    GPU(gpu, override: "vfio-pci")
                    UdevRule(reserved: gpu)
                    FirmwareFramebuffer(.efifb, fb)
                }
            }, writes: 3),
        FaultedPlan(
            name: "a VGA card, whose framebuffer the kernel drops",
            machine: {
                try FixtureHost {
                    GPU(gpu, class: 0x030000, bootVGA: true)
                    FirmwareFramebuffer(.efifb, fb, parent: gpu)
                }
            }, writes: 4, losingWrite: 3),
        FaultedPlan(
            name: "a framebuffer without a line in iomem",
            machine: {
                try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.efifb, fb, parent: gpu, isListed: false)
                    BootScreen(base: fb.lowerBound, size: UInt32(fb.count))
                }
            }, writes: 4),
        FaultedPlan(
            name: "a native driver that wins the rescan",
            machine: {
                let host = try FixtureHost {
                    GPU(gpu)
                    FirmwareFramebuffer(.bootSimpledrm, fb, parent: gpu)
                }
                host.kernel.nativeWinsRescan = "bochs-drm"
                return host
            }, writes: 7, losingWrite: 3, isTakenByNative: true),
        FaultedPlan(
            name: "a late framebuffer over a ruled card's claim",
            machine: {
                let host = try FixtureHost {
                    GPU(gpu, override: "vfio-pci")
                    UdevRule(reserved: gpu)
                }
                #expect(try host.claim().isClaimed)
                try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
                host.revive()
                return host
            }, writes: 2, losingWrite: 1),
        FaultedPlan(
            name: "a late framebuffer over a claimed card",
            machine: {
                let host = try FixtureHost { GPU(gpu, override: "old-driver") }
                #expect(try host.claim().isClaimed)
                try host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
                host.revive()
                return host
            }, writes: 2, losingWrite: 1),
    ]

    /// The machine, claimed.
    func claimed() throws -> FixtureHost {
        let host = try machine()
        #expect(try host.claim(options: options).isClaimed)
        host.revive()
        return host
    }

    /// What of a state is the card's own, and must be there again: all but the framebuffers.
    func card(_ state: [String: String]) -> [String: String] {
        state.filter { file in
            file.key.contains(gpu) && !file.key.contains("framebuffer")
                && !(isTakenByNative && file.key.hasSuffix("/driver"))
        }
    }
}
