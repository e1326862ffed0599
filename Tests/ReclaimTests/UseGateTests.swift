import Aperture
import Fixtures
import Reclaim
import Testing

private let gpu = "0000:01:00.0"

/// Who has the card open, who may have, and what is said to do about it.
@Suite("Use gate")
struct UseGateTests {
    private static let why = "/proc hides other users' processes (hidepid=)"

    private func plan(
        _ host: FixtureHost, options: ClaimOptions = ClaimOptions(), _ change: (inout Snapshot) -> Void = { _ in }
    ) throws -> Plan {
        var snapshot = try host.snapshot(withHolders: true)
        change(&snapshot)
        return Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot, options: options)
    }

    private func forced() -> ClaimOptions {
        var options = ClaimOptions()
        options.force = true
        return options
    }

    /// A card whose driver has made a node.
    private func bound(to driver: String) throws -> FixtureHost {
        let host = try FixtureHost { GPU(gpu, driver: driver) }
        try host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/drm/card0")
        return host
    }

    @Test(
        "Where not everybody is seen no driver is unbound whose nodes somebody may have open; --force goes on, never with nvidia",
        arguments: [("amdgpu", false, true), ("amdgpu", true, false), ("nvidia", false, true), ("nvidia", true, true)])
    func unknown(_ driver: String, _ isForced: Bool, _ isRefused: Bool) throws {
        let plan = try plan(try bound(to: driver), options: isForced ? forced() : ClaimOptions()) {
            $0.holdersUnknown = Self.why
        }
        #expect(plan.refusals.map(\.code) == (isRefused ? [.holdersUnknown] : []))
        guard let refusal = plan.refusals.first else { return }
        #expect(refusal.message.contains("hidepid") && refusal.message.contains("\(gpu) (\(driver))"))
        #expect(refusal.remedy.contains("--pid=host") && refusal.remedy.contains("hostPID: true"))
        #expect(refusal.remedy.contains("--force") == (driver != "nvidia"))
    }

    @Test("Nobody can have open what has no node, nor what has no driver")
    func noNodes() throws {
        for host in [try FixtureHost { GPU(gpu) }, try FixtureHost { GPU(gpu, driver: "amdgpu") }] {
            #expect(try plan(host) { $0.holdersUnknown = Self.why }.verdict == .claim)
        }
    }

    @Test("A framebuffer whose unbind can crash the kernel under its user is left where users may be unseen")
    func framebuffer() throws {
        for (kernel, isRefused) in [("5.10.0-32-amd64", true), ("6.1.0-50-amd64", false)] {
            let host = try FixtureHost {
                Kernel(kernel)
                GPU(gpu)
                FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            }
            let unknown = { (snapshot: inout Snapshot) in snapshot.holdersUnknown = Self.why }
            #expect(try plan(host, unknown).refusals.map(\.code) == (isRefused ? [.holdersUnknown] : []))
            #expect(try plan(host, options: forced(), unknown).verdict == .claim)
        }
    }

    @Test("A claimed card is not removed for a rescan where a guest may be unseen")
    func rescan() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            Line(0xc000_0000...0xc03e_7fff, "BOOTFB")
        }
        let unknown = { (snapshot: inout Snapshot) in snapshot.holdersUnknown = Self.why }
        #expect(try plan(host, unknown).refusals.map(\.code) == [.holdersUnknown])
        #expect(try plan(host, options: forced(), unknown).verdict == .claim)
    }

    @Test(
        "A guest that is seen is one refusal, which names it, also where others may be unseen",
        arguments: [true, false])
    func rescanUnderGuest(_ isForced: Bool) throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            Line(0xc000_0000...0xc03e_7fff, "BOOTFB")
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        for why in [nil, Self.why] {
            let plan = try plan(host, options: isForced ? forced() : ClaimOptions()) { $0.holdersUnknown = why }
            #expect(plan.refusals.map(\.code) == [.inUse])
            #expect(plan.refusals.first?.message.contains("qemu-system-x86 (pid 900)") == true)
            #expect(plan.refusals.first?.remedy.hasPrefix("Stop the guest first") == true)
            #expect(plan.steps.isEmpty)
        }
    }

    @Test("A guest that has the node of a group of two functions is named once")
    func oneNode() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            Function("0000:01:00.1", class: 0x040300, driver: "vfio-pci")
            Line(0xc000_0000...0xc03e_7fff, "BOOTFB")
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        let refusals = try plan(host).refusals
        #expect(refusals.map(\.code) == [.inUse])
        #expect(refusals.first?.message.split(separator: "(pid 900)", omittingEmptySubsequences: false).count == 2)
    }

    @Test("Who has the companion open for the host is named beside the guest that has the GPU")
    func both() throws {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel")
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
            Process(901, "pipewire", holds: "/dev/snd/controlC0")
        }
        try host.folder.makeFolder("/sys/devices/pci0000:00/0000:01:00.1/sound/card0/controlC0")
        let refusals = try plan(host).refusals
        #expect(refusals.map(\.code) == [.inUse, .inUse])
        #expect(refusals.contains { $0.message.contains("pipewire (pid 901)") })
        #expect(refusals.contains { $0.message.contains("qemu-system-x86 (pid 900)") })
    }

    @Test("vfio-pci is not unbound for a release where a guest may be unseen, unless that was asked for")
    func release() throws {
        let host = try FixtureHost { GPU(gpu) }
        let prior = PriorState(
            functions: try host.snapshot(withHolders: false).functions.map {
                PriorState.Function($0, vfioDriver: "vfio-pci")
            },
            framebuffers: [], consoles: [])
        #expect(try host.claim().isClaimed)
        var snapshot = try host.snapshot(withHolders: true)
        snapshot.holdersUnknown = Self.why
        let refused = ReleasePlanner.plan(backTo: prior, in: snapshot)
        #expect(refused.refusals.map(\.code) == [.holdersUnknown] && refused.steps.isEmpty)
        let forced = ReleasePlanner.plan(backTo: prior, in: snapshot, ignoresUnknownHolders: true)
        #expect(forced.refusals.isEmpty && forced.steps.contains { $0.action == .unbindDriver })
    }

    // MARK: - Remedies

    @Test(
        "A remedy names the unit or the session with its command, and else the process",
        arguments: [
            ([Holder(700, "gdm.service")], "Stop gdm.service (systemctl stop gdm.service). Or"),
            ([Holder(700, nil)], "End process 700 (x). Or"),
            // A container's.
            ([Holder(700, "steam.service", isSystemUnit: false)], "End process 700 (x). Or"),
            (
                [Holder(9, nil), Holder(700, "gdm.service"), Holder(8, "b.service")],
                "Stop b.service, gdm.service (systemctl stop b.service gdm.service), and end process 9 (x). Or"
            ),
            (
                [Holder(700, "steam.service", user: 1000), Holder(701, "app-a\\x2db-1.scope", user: 1000)],
                "Stop app-a\\x2db-1.scope of user 1000, steam.service of user 1000 "
                    + "(systemctl --user --machine=1000@.host stop 'app-a\\x2db-1.scope' steam.service). Or"
            ),
            (
                [Holder(700, "session-2.scope"), Holder(701, "session-2.scope")],
                "End session 2 (loginctl terminate-session 2). Or"
            ),
            // A user makes control groups with any name below the user's own.
            ([Holder(700, "$(reboot).service", user: 1000)], "End process 700 (x). Or"),
            ([Holder(700, "--now.service", user: 1000)], "End process 700 (x). Or"),
            ([Holder(700, "a'b.scope", user: 1000)], "End process 700 (x). Or"),
            (
                [Holder(700, "machine-qemu\\x2d1\\x2dwin10.scope", guest: "win10")],
                "Stop the guest 'win10' (virsh shutdown win10). Or"
            ),
            ([Holder(700, "machine-qemu\\x2d1\\x2dx.scope", guest: "$(x)")], "End process 700 (x). Or"),
            ([Holder(700, "100.scope", guest: "win10")], "Stop the guest 'win10' (qm shutdown 100). Or"),
            // Both have it open for a session.
            (
                [Holder(700, "gdm.service"), Holder(1, "init.scope")],
                "Stop gdm.service (systemctl stop gdm.service). Or"
            ),
            (
                [Holder(600, "systemd-logind.service")],
                "End the graphical session that x has it open for (loginctl). Or"
            ),
        ] as [([Holder], String)])
    func remedy(_ holders: [Holder], _ remedy: String) throws {
        let plan = try plan(try bound(to: "amdgpu")) { $0.holders = holders }
        #expect(plan.refusals.map(\.code) == [.inUse])
        #expect(plan.refusals.first?.remedy.hasPrefix(remedy) == true, "\(plan.refusals)")
    }
}

extension Holder {
    /// A process that has the card open.
    fileprivate init(
        _ pid: Int32, _ unit: String?, isSystemUnit: Bool = true, user: UInt32? = nil, guest: String? = nil
    ) {
        self.init(
            pid: pid, command: "x", node: "/dev/dri/card0", unit: unit, isSystemUnit: user == nil && isSystemUnit,
            user: user, guest: guest)
    }
}

/// nvidia's modules, which keep a card busy.
@Suite("nvidia's modules")
struct NvidiaGateTests {
    private let other = "0000:02:00.0"

    /// Nobody has the card open, and its unbind would hang.
    private func machine(users: Int = 0, hasOther: Bool = false, @MachineBuilder _ parts: () -> [any Part] = { [] })
        throws -> FixtureHost
    {
        try FixtureHost {
            KernelModule("nvidia")
            KernelModule("nvidia_modeset")
            KernelModule("nvidia_drm", users: users, parameters: ["modeset": "Y"])
            KernelModule("nvidia_uvm")
            GPU(gpu, class: 0x030200, driver: "nvidia")
            if hasOther {
                [GPU(other, class: 0x030200, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "nvidia", group: 2)]
            }
            parts()
        }
    }

    private func plan(_ host: FixtureHost, unload: Bool = false, _ change: (inout Snapshot) -> Void = { _ in }) throws
        -> Plan
    {
        var options = ClaimOptions()
        options.unloadsNative = unload
        options.force = true
        var snapshot = try host.snapshot(withHolders: true)
        change(&snapshot)
        return Planner.plan(for: try #require(PCIAddress(gpu)), in: snapshot, options: options)
    }

    @Test("A card on nvidia that its modules keep is refused with the commands that free it, --force or not")
    func kept() throws {
        let refusal = try #require(try plan(try machine()).refusals.first)
        #expect(refusal.code == .inUse)
        #expect(refusal.message.contains("nvidia_drm (modeset=Y), nvidia_modeset, nvidia_uvm"))
        #expect(refusal.remedy.contains("modprobe -r nvidia_drm nvidia_modeset nvidia_uvm nvidia."))
        #expect(refusal.remedy.contains("--unload"))
    }

    @Test("The units that have it open are stopped before")
    func units() throws {
        let host = try machine {
            Process(50, "nvidia-persiste", holds: "/dev/nvidiactl")
            Process(51, "python3", holds: "/dev/nvidia-uvm")
        }
        try host.folder.write("0::/system.slice/nvidia-persistenced.service\n", to: "/proc/50/cgroup")
        for isUnloading in [false, true] {
            let refusals = try plan(host, unload: isUnloading).refusals
            #expect(refusals.map(\.code) == [.inUse])
            #expect(refusals.first?.message.contains("python3 (pid 51) holds /dev/nvidia-uvm") == true)
            #expect(
                refusals.first?.remedy.hasPrefix(
                    "In this order: systemctl stop nvidia-persistenced.service; end process 51 (python3); modprobe -r")
                    == true)
        }
    }

    @Test("nvidia alone keeps nothing, and neither does a count of none")
    func alone() throws {
        let alone = try FixtureHost {
            KernelModule("nvidia")
            GPU(gpu, driver: "nvidia")
        }
        #expect(try plan(alone).steps.map(\.action) == [.setDriverOverride, .unbindDriver, .bindVFIO])
        let withoutUsers = try FixtureHost {
            KernelModule("nvidia_uvm")
            KernelModule("nvidia")
            GPU(gpu, driver: "nvidia")
        }
        try withoutUsers.folder.write("0\n", to: "/sys/module/nvidia/refcnt")
        #expect(try plan(withoutUsers).verdict == .claim)
        try withoutUsers.folder.remove("/sys/module/nvidia/refcnt")
        #expect(try plan(withoutUsers).verdict == .refused, "a count that is not told is none that is zero")
    }

    @Test("A process that can have the card in use counts, whatever the module's count says")
    func uncounted() throws {
        let host = try FixtureHost {
            KernelModule("nvidia")
            GPU(gpu, driver: "nvidia")
            Process(50, "nvidia-persiste", holds: "/dev/nvidiactl")
        }
        #expect(try plan(host).refusals.map(\.code) == [.inUse])
        try host.kernel.end(50)
        #expect(try plan(host).verdict == .claim)
    }

    @Test("While another card needs nvidia it stays, and what is said takes nothing from that card")
    func others() throws {
        for isUnloading in [false, true] {
            let refusal = try #require(try plan(try machine(hasOther: true), unload: isUnloading).refusals.first)
            #expect(refusal.code == .inUse)
            #expect(refusal.remedy.contains("rmmod nvidia_drm nvidia_modeset nvidia_uvm."))
            #expect(refusal.remedy.contains(other))
            #expect(!refusal.remedy.contains("; modprobe -r") && !refusal.remedy.contains("--unload"))
        }
    }

    @Test("With --unload the modules go in order, on a rung before any unbind, and nvidia's cards need none")
    func unload() throws {
        let plan = try plan(try machine(), unload: true)
        #expect(plan.refusals.isEmpty)
        #expect(
            plan.steps.map { "\($0.rung.rawValue) \($0.action.rawValue) \($0.target)" } == [
                "override set-driver-override \(gpu)", "unload unload-module nvidia_drm",
                "unload unload-module nvidia_modeset", "unload unload-module nvidia_uvm", "unload unload-module nvidia",
                "bind bind-vfio-pci \(gpu)",
            ])
    }

    @Test(
        "What cannot be unloaded is refused with its reason",
        arguments: [
            (0, "stranger", "nvidia_fs needs nvidia", Refusal.Code.inUse), (1, "", "nvidia_drm is in use", .inUse),
            (0, "capability", "lacks CAP_SYS_MODULE", .inUse), (0, "disabled", "kernel.modules_disabled", .inUse),
            (0, "unseen", "PID namespace", .holdersUnknown),
        ])
    func obstacles(_ users: Int, _ what: String, _ why: String, _ code: Refusal.Code) throws {
        let host = try machine(users: users)
        switch what {
        case "stranger": try host.folder.makeFolder("/sys/module/nvidia/holders/nvidia_fs")
        case "capability":
            // What the unit has: all that it keeps, and not this one.
            try host.folder.write("Name:\tx\nCapEff:\t0000000000280006\n", to: "/proc/self/status")
        case "disabled": try host.folder.write("1\n", to: "/proc/sys/kernel/modules_disabled")
        default: break
        }
        let refusals = try plan(host, unload: true) {
            if what == "unseen" { $0.holdersUnknown = "/proc is of another PID namespace" }
        }.refusals
        #expect(refusals.map(\.code) == [code])
        #expect(refusals.first?.message.contains(why) == true, "\(refusals)")
        if what == "capability" { #expect(refusals.first?.remedy.contains("ProtectKernelModules=no") == true) }
    }

    @Test("A machine that only tells counts is enough: an A100 that nvidia_drm keeps, as it was reported")
    func counts() throws {
        let host = try FixtureHost {
            Kernel("5.4.0-125-generic")
            GPU(gpu, class: 0x030200, driver: "nvidia")
        }
        for (module, count) in [("nvidia", 2), ("nvidia_modeset", 1), ("nvidia_drm", 1), ("nvidia_uvm", 0)] {
            try host.folder.write("\(count)\n", to: "/sys/module/\(module)/refcnt")
        }
        try host.folder.write("Y\n", to: "/sys/module/nvidia_drm/parameters/modeset")
        #expect(try plan(host).refusals.first?.message.contains("nvidia_drm (modeset=Y)") == true)
        // Somebody uses nvidia_drm who is no module and no process.
        #expect(try plan(host, unload: true).refusals.first?.message.contains("nvidia_drm is in use") == true)
    }

    @Test("A release loads them again, in the order of need, and nvidia has its card back")
    func roundTrip() throws {
        let host = try machine()
        let start = try host.folder.state()
        var options = ClaimOptions()
        options.unloadsNative = true
        #expect(try host.claim(options: options).isClaimed)
        #expect(!host.exists("/sys/module/nvidia"))
        #expect(try host.release().restoration.isComplete)
        #expect(host.loadedModules == ["nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm"])
        #expect(try host.driver == "nvidia")
        #expect(try host.folder.state() == start)
    }
}
