import Aperture
import Fixtures
import KernelFiles
import Reclaim
import SystemPackage
import Testing

private let gpu = "0000:01:00.0"
private let card = "/dev/dri/card0"
private let scope = "/user.slice/user-1000.slice/session-2.scope"

/// Which services a claim stops, and which it leaves alone.
@Suite("Stop gate")
struct StopGateTests {
    private func plan(_ units: [String], _ parts: [any Part], force: Bool = false) throws -> Plan {
        let host = try FixtureHost { parts }
        return try plan(units, host, force: force)
    }

    private func plan(_ units: [String], _ host: FixtureHost, force: Bool = false) throws -> Plan {
        var options = ClaimOptions()
        options.stoppableUnits = units
        options.force = force
        return Planner.plan(
            for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true),
            options: host.resolved(options))
    }

    private static var held: [any Part] {
        [GPU(gpu, driver: "amdgpu"), CardNode(0, of: gpu), Process(700, "Xorg", holds: card, of: "lightdm.service")]
    }

    @Test(
        "A listed service that has the card open is stopped, and its last close waited for, before anything is written")
    func listed() throws {
        let plan = try plan(["nvidia-persistenced.service", "lightdm.service"], Self.held)
        #expect(plan.refusals.isEmpty)
        #expect(plan.steps.map(\.action).prefix(3) == [.stopUnit, .awaitClose, .setDriverOverride])
        let stop = try #require(plan.steps.first)
        #expect(stop.target == "lightdm.service" && stop.rung == .stop)
        #expect(stop.path == "/usr/bin/systemctl" && stop.value == "stop lightdm.service")
        #expect(stop.reason == "Xorg (pid 700, lightdm.service) holds /dev/dri/card0")
        #expect(plan.nextRung.map(\.action) == [.stopUnit, .awaitClose])
        #expect(plan.notices.contains { $0.hasPrefix("lightdm.service stops until the release") })
    }

    @Test("Without the key nothing is stopped, and the refusal is what it was")
    func unlisted() throws {
        for units in [[], ["gdm.service"]] {
            let plan = try plan(units, Self.held)
            #expect(plan.refusals.map(\.code) == [.inUse])
            #expect(plan.refusals.first?.message.contains("Xorg (pid 700, lightdm.service)") == true)
            #expect(plan.steps.isEmpty)
        }
    }

    @Test("A listed service that does not have this card open is not stopped")
    func elsewhere() throws {
        let free: [any Part] = [
            GPU(gpu, driver: "amdgpu"), CardNode(0, of: gpu),
            Process(700, "Xorg", holds: "/dev/dri/card1", of: "lightdm.service"),
        ]
        let plan = try plan(["lightdm.service"], free)
        #expect(plan.verdict == .claim)
        #expect(!plan.steps.contains { $0.rung == .stop })
    }

    @Test("Where somebody else has the card open too nothing is stopped, and the refusal names that one alone")
    func other() throws {
        let plan = try plan(
            ["lightdm.service"], Self.held + [Process(800, "ollama", holds: card, of: "ollama.service")])
        #expect(plan.refusals.map(\.code) == [.inUse])
        let refusal = try #require(plan.refusals.first)
        #expect(refusal.message.contains("ollama (pid 800, ollama.service)") && !refusal.message.contains("Xorg"))
        #expect(refusal.remedy.contains("systemctl stop ollama.service"))
        let both = try self.plan(
            ["lightdm.service", "ollama.service"],
            Self.held + [Process(800, "ollama", holds: card, of: "ollama.service")])
        #expect(both.steps.filter { $0.action == .stopUnit }.map(\.target) == ["lightdm.service", "ollama.service"])
        #expect(both.steps.filter { $0.action == .awaitClose }.map(\.target) == [card])
    }

    @Test("A guest that has the card open is never stopped")
    func guest() throws {
        let plan = try plan(
            ["vm.service"],
            [
                GPU(gpu, driver: "vfio-pci", override: "vfio-pci"), Line(0xc000_0000...0xc03e_7fff, "BOOTFB"),
                Process(900, "qemu-system-x86", holds: "/dev/vfio/1", of: "vm.service"),
            ])
        #expect(plan.refusals.map(\.code) == [.inUse])
    }

    @Test("A service that holds a framebuffer in the card's BARs is stopped, unless somebody else holds it too")
    func framebuffer() throws {
        let screen: [any Part] = [
            GPU(gpu), FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff),
            Process(700, "Xorg", holds: "/dev/fb0", of: "lightdm.service"),
        ]
        #expect(try plan(["lightdm.service"], screen).steps.first?.action == .stopUnit)
        let both = try plan(["lightdm.service"], screen + [Process(800, "plymouthd", holds: "/dev/fb0")])
        // As without the key: an unbind, and a wait for the close.
        #expect(both.verdict == .claim && !both.steps.contains { $0.rung == .stop })
        #expect(both.warnings.contains { $0.contains("plymouthd") && $0.contains("Xorg") })
    }

    @Test("--force stops a service that is listed rather than pull the card from under it")
    func forced() throws {
        #expect(try plan(["lightdm.service"], Self.held, force: true).steps.first?.action == .stopUnit)
        let other = try plan(
            ["lightdm.service"], Self.held + [Process(800, "ollama", holds: card, of: "ollama.service")], force: true)
        #expect(other.verdict == .claim && !other.steps.contains { $0.rung == .stop })
    }

    // MARK: - Sessions

    /// The card, and a display manager with a process that has opened a session.
    private static var driven: [any Part] {
        [
            GPU(gpu, driver: "amdgpu"), CardNode(0, of: gpu),
            Process(650, "gdm3", holds: "/dev/null", of: "gdm.service"),
            Process(660, "gdm-session-wor", holds: "/dev/null", of: "gdm.service", group: scope, parent: 650),
        ]
    }

    private static var logind: Process {
        Process(400, "systemd-logind", holds: card, of: "systemd-logind.service")
    }

    private static var first: Process { Process(1, "systemd", holds: card, group: "/init.scope") }

    @Test("A session's processes end with the display manager whose worker opened it, and logind closes its copies")
    func session() throws {
        let shown = Process(700, "Xorg", holds: card, group: scope, parent: 660)
        let plan = try plan(["gdm.service"], Self.driven + [shown, Self.logind, Self.first])
        #expect(plan.refusals.isEmpty)
        #expect(plan.steps.filter { $0.action == .stopUnit }.map(\.target) == ["gdm.service"])
        // A copy alone does not tell whose session it is for.
        let copies = try self.plan(["gdm.service"], Self.driven + [Self.logind, Self.first])
        #expect(copies.refusals.map(\.code) == [.inUse])
    }

    @Test("A session that no listed service has opened stays")
    func otherSession() throws {
        let text = Process(700, "Xorg", holds: card, group: "/user.slice/user-1000.slice/session-9.scope", parent: 1)
        let plan = try plan(["gdm.service"], Self.driven + [text, Self.logind])
        #expect(plan.refusals.map(\.code) == [.inUse])
        #expect(plan.refusals.first?.remedy.contains("loginctl terminate-session 9") == true)
    }

    private static let user = "/user.slice/user-1000.slice/user@1000.service"

    /// A desktop of the user's own service manager, and the sessions of that user with their processes.
    private func desktop(_ slice: String, node: String = card, sessions: [String: Int]) throws -> FixtureHost {
        let host = try FixtureHost {
            Self.driven + [
                Process(700, "gnome-shell", holds: node, group: "\(Self.user)/\(slice)/a.service", parent: 600)
            ]
        }
        if node.hasPrefix("/dev/snd/") {
            try host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/sound/card0/controlC0")
        }
        try host.folder.write("PPid:\t1\n", to: "/proc/600/status")
        try host.folder.write("0::/system.slice/ssh.service\n", to: "/proc/500/cgroup")
        try host.folder.write("PPid:\t500\n", to: "/proc/510/status")
        try host.folder.write("PPid:\t1\n", to: "/proc/520/status")
        for (name, process) in sessions {
            try host.folder.write(
                "\(process)\n", to: "/sys/fs/cgroup/user.slice/user-1000.slice/\(name)/cgroup.procs")
        }
        return host
    }

    @Test(
        "A user's own services end with the user's last session, and the desktop with its own",
        arguments: [
            ("app.slice", card, ["session-2.scope": 660], true),
            ("session.slice", card, ["session-2.scope": 660], true),
            // The user is logged in by ssh as well.
            ("app.slice", card, ["session-2.scope": 660, "session-3.scope": 510], false),
            ("session.slice", card, ["session-2.scope": 660, "session-3.scope": 510], true),
            ("session.slice", "/dev/snd/controlC0", ["session-2.scope": 660, "session-3.scope": 510], false),
            ("session.slice", "/dev/snd/controlC0", ["session-2.scope": 660], true),
            // On a text console, whose login no service is the parent of.
            ("app.slice", card, ["session-2.scope": 660, "session-3.scope": 520], false),
            ("session.slice", card, ["session-3.scope": 510], false),
            ("session.slice", card, [:], false),
        ] as [(String, String, [String: Int], Bool)])
    func users(_ slice: String, _ node: String, _ sessions: [String: Int], _ ends: Bool) throws {
        let plan = try plan(["gdm.service"], try desktop(slice, node: node, sessions: sessions))
        #expect(plan.steps.filter { $0.action == .stopUnit }.map(\.target) == (ends ? ["gdm.service"] : []))
        #expect(plan.refusals.map(\.code) == (ends ? [] : [.inUse]))
    }

    // MARK: - Aliases

    private func link(_ host: FixtureHost, _ path: String, _ target: String) throws {
        try host.folder.makeFolder(path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" })
        try host.folder.symlink(path, destination: target)
    }

    @Test("An alias stands for the unit that it is a link to")
    func alias() throws {
        let host = try FixtureHost { Self.held }
        #expect(host.unitName("display-manager.service") == "display-manager.service")
        try link(host, "/etc/systemd/system/display-manager.service", "/usr/lib/systemd/system/lightdm.service")
        #expect(host.unitName("display-manager.service") == "lightdm.service")
        let plan = try plan(["display-manager.service", "lightdm.service"], host)
        #expect(plan.steps.filter { $0.action == .stopUnit }.map(\.target) == ["lightdm.service"])
    }

    @Test(
        "A masked unit, a link to a file of the same name, a loop and another unit's alias in a lower folder resolve nothing",
        arguments: [
            [("/etc/systemd/system/a.service", "/dev/null")],
            [("/etc/systemd/system/a.service", "/opt/x/a.service")],
            [("/etc/systemd/system/a.service", "b.service"), ("/etc/systemd/system/b.service", "a.service")],
            [("/run/systemd/system/a.service", "/dev/null"), ("/usr/lib/systemd/system/a.service", "b.service")],
        ])
    func unresolved(_ links: [(String, String)]) throws {
        let host = try FixtureHost { GPU(gpu) }
        for (path, target) in links { try link(host, path, target) }
        #expect(host.unitName("a.service") == "a.service")
    }

    @Test("An alias of apertured's own unit is not stopped")
    func own() throws {
        let host = try FixtureHost { GPU(gpu) }
        try link(host, "/etc/systemd/system/a.service", "apertured@\(gpu).service")
        var options = ClaimOptions()
        options.stoppableUnits = ["a.service", "b.service"]
        #expect(host.resolved(options).stoppableUnits == ["b.service"])
    }

    // MARK: - nvidia

    private func nvidia(_ modules: [KernelModule], unloads: Bool) throws -> Plan {
        let host = try FixtureHost {
            modules
            GPU(gpu, class: 0x030200, driver: "nvidia")
            Process(700, "nvidia-persiste", holds: "/dev/nvidiactl", of: "nvidia-persistenced.service")
        }
        var options = ClaimOptions()
        options.stoppableUnits = ["nvidia-persistenced.service"]
        options.unloadsNative = unloads
        return Planner.plan(
            for: try #require(PCIAddress(gpu)), in: try host.snapshot(withHolders: true), options: options)
    }

    @Test("nvidia's counts are judged when the service that may be counted has stopped")
    func counted() throws {
        let alone = try nvidia([KernelModule("nvidia", users: 1)], unloads: false)
        #expect(alone.refusals.isEmpty)
        #expect(alone.steps.map(\.action).contains(.stopUnit) && alone.steps.map(\.action).contains(.unbindDriver))
        let modules = [KernelModule("nvidia", users: 1), KernelModule("nvidia_modeset", users: 1)]
        #expect(try nvidia(modules, unloads: false).refusals.map(\.code) == [.inUse])
        let unloading = try nvidia(modules, unloads: true)
        #expect(unloading.refusals.isEmpty)
        #expect(unloading.steps.filter { $0.action == .unloadModule }.count == 2)
        #expect(unloading.steps.first?.action == .stopUnit)
    }
}
