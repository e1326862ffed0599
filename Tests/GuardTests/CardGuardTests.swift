import Aperture
import Configuration
import Fixtures
import Guard
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing

private let gpu = FixtureHost.usualGPU
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// Wake-ups from a list, each with what happens before it; then a stop.
private final class Script: WakeupSource {
    var scenes: [(wakeup: Wakeup, before: () throws -> Void)] = []
    /// The looks that were asked for, in milliseconds.
    var looks: [Int64] = []
    var signs = 0

    func then(_ wakeup: Wakeup = .change(areEventsLost: false), _ before: @escaping () throws -> Void = {}) {
        scenes.append((wakeup, before))
    }

    func next() throws -> Wakeup {
        guard !scenes.isEmpty else { return .stop }
        let scene = scenes.removeFirst()
        try scene.before()
        return scene.wakeup
    }

    func lookAgain(afterMilliseconds milliseconds: Int64) { looks.append(milliseconds) }

    func notifyWatchdog() { signs += 1 }
}

/// A guard, its machine, its service manager, and what it told.
private final class Stage {
    let host: FixtureHost
    let script = Script()
    let manager: Manager
    var told: [String] = []
    var isBooting = false
    /// What the splash does when it is asked to end; how often it was.
    var endSplash: () -> String? = { nil }
    var asked = 0

    init(@MachineBuilder _ parts: () -> [any Part]) throws {
        host = try FixtureHost(parts)
        manager = try Manager()
    }

    func run() throws -> GuardEnd {
        CardGuard(
            try #require(PCIAddress(gpu)), host: host, source: script,
            tree: FileTree(root: FilePath(host.folder.path)), lockMilliseconds: 0, notifier: manager.notifier,
            boot: Boot(
                isUnderWay: { [self] in isBooting },
                endSplash: { [self] in
                    asked += 1
                    return endSplash()
                },
                // A look takes no time, and a pause what it says.
                now: { [self] in Int64(host.paused) }),
            tell: tell
        ).run()
    }

    private func tell(_ event: GuardEvent) {
        switch event {
        case .claim: break
        case .recovered(let result): told.append("recovered \(result.isComplete)")
        case .configurationWarning(let warning): told.append("warning \(warning.message)")
        case .configurationRefused(let refusal): told.append("configuration \(refusal.code.rawValue)")
        case .claimed(let outcome): told.append("claimed \(outcome.bars)")
        case .claimRefused(let refusal): told.append("refused \(refusal.code.rawValue)")
        case .waiting(let holders): told.append("waiting for \(holders.map(\.command).joined(separator: ", "))")
        case .endingSplash(let splash): told.append("asking \(splash.command)")
        case .claimFailed(_, let undo): told.append("claim failed, undone \(undo?.isComplete ?? true)")
        case .lateFramebuffer(let conflict): told.append("late \(conflict.entry.name)")
        case .lateFramebufferInUse(let conflict, _): told.append("late \(conflict.entry.name), in use")
        default: told.append("\(event)")
        }
    }

    /// The last status line that the manager was told.
    var status: String? {
        manager.texts.flatMap { $0.split(separator: "\n") }.last { $0.hasPrefix("STATUS=") }
            .map { String($0.dropFirst(7)) }
    }

    func count(_ assignment: String) -> Int {
        manager.texts.count { $0.split(separator: "\n").contains(Substring(assignment)) }
    }
}

@Suite("Card guard")
struct CardGuardTests {
    private static func framed() throws -> Stage {
        try Stage {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
        }
    }

    @Test("It claims, says that it is ready and how the card stands, and leaves the claim when it is told to stop")
    func claims() throws {
        let stage = try Self.framed()
        var isReady = false
        stage.script.then(.stop) { isReady = stage.count("READY=1") == 1 && stage.count("STOPPING=1") == 0 }
        #expect(try stage.run() == .stopped)
        #expect(isReady)
        #expect(stage.count("STOPPING=1") == 1)
        #expect(stage.status == "Claimed and proven: 1 BAR mapped.")
        #expect(stage.told == ["claimed 1 of 1 BAR mapped", "guarding", "stopped"])
        #expect(stage.script.signs > 0)
        #expect(try stage.host.driver == "vfio-pci")
        #expect(try stage.host.recorded().count == 1)
    }

    @Test("A card that cannot be claimed is refused with its reason, and nothing is ready")
    func refuses() throws {
        let stage = try Stage { GPU(gpu, group: nil) }
        #expect(try stage.run() == .refused)
        #expect(stage.told == ["refused no-iommu"])
        #expect(stage.status?.hasPrefix("Refused: ") == true)
        #expect(stage.count("READY=1") == 0)
        #expect(stage.host.writes.isEmpty)
    }

    @Test(
        "A configuration that does not allow the card, or cannot be read, refuses it before anything is written",
        arguments: [
            ("[GPU]\nAddress=\(gpu)\nId=10de:1c82\n", "configuration-mismatch"), (nil, "configuration-invalid"),
        ])
    func configuration(_ text: String?, _ code: String) throws {
        let stage = try Self.framed()
        let path = "/etc/apertured.conf"
        if let text { try stage.host.folder.write(text, to: path) } else { try stage.host.folder.makeFolder(path) }
        #expect(try stage.run() == .refused)
        #expect(stage.told == ["configuration \(code)"])
        #expect(stage.status?.hasPrefix("Refused: ") == true)
        #expect(stage.host.writes.isEmpty)
    }

    @Test("A claim that fails is told; what could not be taken back is another end")
    func fails() throws {
        let stage = try Self.framed()
        stage.host.faults = [1: .fails(.ioError)]
        #expect(try stage.run() == .failed)
        #expect(stage.told == ["claim failed, undone true"])
        #expect(stage.status?.hasPrefix("Failed: ") == true)

        let worse = try Self.framed()
        // The override is set, the framebuffer's cannot be, and the override cannot be cleared again.
        worse.host.faults = [1: .fails(.ioError), 2: .fails(.ioError)]
        #expect(try worse.run() == .notRestored)
        #expect(worse.told == ["claim failed, undone false"])
    }

    @Test("What an earlier run left is recovered first")
    func recovers() throws {
        let stage = try Self.framed()
        stage.host.kill = FixtureHost.Kill(4, isAfter: false)
        _ = try? stage.host.claim()
        stage.host.revive()
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["recovered true", "claimed 1 of 1 BAR mapped", "guarding", "stopped"])
    }

    @Test("A stop that comes while it claims is no failure, and everything is as it was")
    func stoppedEarly() throws {
        let stage = try Self.framed()
        let start = try stage.host.folder.state()
        stage.host.interruptedAfterEffects = stage.host.effects + 3
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["claim failed, undone true", "stopped"])
        #expect(stage.count("READY=1") == 0 && stage.count("STOPPING=1") == 1)
        #expect(try stage.host.folder.state() == start)
    }

    @Test("A stop that comes while another run is waited for is no failure either")
    func stoppedWhileLocked() throws {
        let stage = try Self.framed()
        stage.host.lockErrors = [.interrupted(by: "SIGTERM", holder: "somebody")]
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["stopped"])
        #expect(stage.host.writes.isEmpty)
    }

    @Test("Another run that does not finish in time fails the start")
    func locked() throws {
        let stage = try Self.framed()
        stage.host.lockErrors = [.locked(by: "somebody")]
        #expect(try stage.run() == .failed)
        #expect(stage.status == "Failed: another apertured is at work: somebody")
    }

    @Test("A late framebuffer is evicted and looked after once more; when another run is at work, after a while")
    func lateFramebuffer() throws {
        let stage = try Stage { GPU(gpu) }
        stage.script.then {
            try stage.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
            stage.host.lockErrors = [.locked(by: "somebody")]
        }
        stage.script.then { #expect(stage.script.looks == [5000]) }
        stage.script.then { #expect(stage.script.looks == [5000, 0]) }
        #expect(try stage.run() == .stopped)
        #expect(stage.told.filter { $0.hasPrefix("late") } == ["late efifb"])
        #expect(stage.told.suffix(2) == ["claimed 1 of 1 BAR mapped", "stopped"])
        #expect(stage.status == "Claimed and proven: 1 BAR mapped.")
        #expect(try !stage.host.folder.text("/proc/iomem").contains("efifb"))
    }

    @Test("A late framebuffer that cannot be evicted is tried once, and the guard goes on")
    func unevictable() throws {
        let stage = try Stage { GPU(gpu) }
        stage.script.then {
            try stage.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
            stage.host.faults = [stage.host.writes.count: .fails(.ioError)]
        }
        stage.script.then()
        #expect(try stage.run() == .stopped)
        #expect(stage.told.count { $0 == "claim failed, undone true" } == 1)
        #expect(stage.status?.contains("could not be evicted") == true)
    }

    @Test("A stop while a late framebuffer is evicted ends the guard, once")
    func stoppedWhileEvicting() throws {
        let stage = try Stage { GPU(gpu) }
        stage.script.then {
            try stage.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
            stage.host.interruptedAfterEffects = stage.host.effects + 1
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.told.count { $0 == "stopped" } == 1)
        #expect(stage.count("STOPPING=1") == 1)
    }

    @Test("The end of the card is the guard's, and no crash to the manager")
    func gone() throws {
        let stage = try Stage { GPU(gpu) }
        stage.script.then { try stage.host.write("1", to: "\(KernelPath.pciDevices)/\(gpu)/remove") }
        #expect(try stage.run() == .gone)
        #expect(stage.told.last == "gone")
        #expect(stage.count("STOPPING=1") == 1)
        #expect(stage.status == "The GPU is gone.")
    }

    @Test("A reload takes the new configuration; one that cannot be used leaves the former, and is said")
    func reload() throws {
        let stage = try Stage { GPU(gpu) }
        let path = "/etc/apertured.conf"
        stage.script.then(.reload) { try stage.host.folder.write("[GPU]\nAddress=\(gpu)\nId=10de:1c82\n", to: path) }
        stage.script.then(.reload) {
            #expect(stage.status?.hasPrefix("Not reloaded: ") == true)
            try stage.host.folder.write("[GPU]\nAddress=\(gpu)\n", to: path)
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.status == "Claimed and proven: 1 BAR mapped.")
        #expect(stage.told.contains("configuration configuration-mismatch"))
        // At the start, and after each reload.
        #expect(stage.count("READY=1") == 3)
    }

    @Test("A guest that has the claimed card keeps it through a restart of the guard; a framebuffer over it is told")
    func inUse() throws {
        let stage = try Stage {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        #expect(try stage.host.claim().isClaimed)
        let writes = stage.host.writes.count
        try stage.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["guarding", "late efifb, in use", "stopped"])
        #expect(stage.status?.contains("efifb lies in BAR 0 of a card in use.") == true)
        #expect(stage.count("READY=1") == 1)
        #expect(stage.host.writes.count == writes)
    }

    @Test("Lost events are said, and the machine is read anew")
    func lost() throws {
        let stage = try Stage { GPU(gpu) }
        stage.script.then(.change(areEventsLost: true)) {
            try stage.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.told.contains("ueventsLost"))
        #expect(stage.told.contains("late efifb"))
    }

    @Test("A start that waits for other cards' claims asks for more time, and not at every look")
    func moreTime() throws {
        let manager = try Manager()
        var now: Int64 = 0
        let timeout = StartTimeout(notifier: manager.notifier) { now }
        for time in stride(from: Int64(0), through: 20_000, by: 50) {
            now = time
            timeout.extend()
        }
        #expect(manager.texts == Array(repeating: "EXTEND_TIMEOUT_USEC=300000000", count: 3))
    }
}

@Suite("Card guard at boot")
struct CardGuardBootTests {
    /// A card that a process has open through its native driver, while the machine boots.
    private static func held(by command: String, unit: String?) throws -> Stage {
        let stage = try Stage {
            GPU(gpu, driver: "amdgpu")
            Process(700, command, holds: "/dev/dri/card0")
        }
        try stage.host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/drm/card0")
        if let unit { try stage.host.folder.write("0::/\(unit)\n", to: "/proc/700/cgroup") }
        stage.isBooting = true
        return stage
    }

    private static func end(_ process: Int32, on stage: Stage) {
        #expect(throws: Never.self) { try stage.host.folder.remove("/proc/\(process)") }
    }

    @Test("A process that has the card while the machine boots is waited for, and nobody is asked to end")
    func waits() throws {
        let stage = try Self.held(by: "Xorg", unit: "system.slice/gdm.service")
        var status: String?
        stage.host.beforePause = { number in
            status = stage.status
            #expect(stage.host.writes.isEmpty)
            if number == 4 { Self.end(700, on: stage) }
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["waiting for Xorg", "claimed 1 of 1 BAR mapped", "guarding", "stopped"])
        #expect(
            status
                == "Waiting, for 30 seconds at most: the card is in use: Xorg (pid 700, gdm.service) holds /dev/dri/card0."
        )
        #expect(stage.asked == 0)
        #expect(stage.host.paused == 2500)
    }

    @Test(
        "A boot splash that has the card is asked to end, once; who only calls itself so is not",
        arguments: [
            ("plymouthd", "system.slice/plymouth-start.service", 1), ("plymouthd", nil, 1),
            ("plymouthd", "user.slice/user-1000.slice/session-2.scope", 0),
            ("plymouthd", "user.slice/user-1000.slice/user@1000.service/app.slice/plymouth-start.service", 0),
            ("Xorg", "system.slice/plymouth-start.service", 0),
        ])
    func splash(_ command: String, _ unit: String?, _ times: Int) throws {
        let stage = try Self.held(by: command, unit: unit)
        stage.endSplash = {
            Self.end(700, on: stage)
            return nil
        }
        stage.host.beforePause = { number in
            if number == 2, times == 0 { Self.end(700, on: stage) }
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.asked == times)
        #expect(stage.told.filter { $0.hasPrefix("asking") }.count == times)
        #expect(stage.told.contains("claimed 1 of 1 BAR mapped"))
    }

    @Test("After 30 seconds, and where the machine has booted, the claim is refused as ever")
    func bounded() throws {
        let stage = try Self.held(by: "Xorg", unit: nil)
        #expect(try stage.run() == .refused)
        #expect(stage.told == ["waiting for Xorg", "refused in-use"])
        #expect(stage.host.paused == 30_000)
        #expect(stage.host.writes.isEmpty)

        let later = try Self.held(by: "Xorg", unit: nil)
        later.isBooting = false
        #expect(try later.run() == .refused)
        #expect(later.told == ["refused in-use"])
        #expect(later.host.paused == 0)

        let ended = try Self.held(by: "Xorg", unit: nil)
        ended.host.beforePause = { number in if number == 1 { ended.isBooting = false } }
        #expect(try ended.run() == .refused)
        #expect(ended.host.paused == 1000)
    }

    @Test("A splash that cannot be asked is waited for all the same")
    func cannotAsk() throws {
        let stage = try Self.held(by: "plymouthd", unit: nil)
        stage.endSplash = { "systemd-run cannot be started" }
        stage.host.beforePause = { number in
            if number == 1 { Self.end(700, on: stage) }
        }
        #expect(try stage.run() == .stopped)
        #expect(stage.asked == 1)
        #expect(stage.told.contains { $0.hasPrefix("splashNotAsked(") })
        #expect(stage.told.contains("claimed 1 of 1 BAR mapped"))
    }

    @Test("A stop ends the wait; a guest, and a refusal for another reason, are not waited for")
    func ends() throws {
        let stage = try Self.held(by: "Xorg", unit: nil)
        stage.host.beforePause = { number in if number == 1 { stage.host.interruptedAfterEffects = 0 } }
        #expect(try stage.run() == .stopped)
        #expect(stage.told == ["waiting for Xorg", "stopped"])
        #expect(stage.host.writes.isEmpty)

        let other = try Stage {
            GPU(gpu, driver: "amdgpu", group: nil)
            Process(700, "Xorg", holds: "/dev/dri/card0")
        }
        try other.host.folder.makeFolder("/sys/devices/pci0000:00/\(gpu)/drm/card0")
        other.isBooting = true
        #expect(try other.run() == .refused)
        #expect(other.host.paused == 0)

        let guest = try Stage {
            GPU(gpu)
            Process(900, "qemu-system-x86", holds: "/dev/vfio/1")
        }
        #expect(try guest.host.claim().isClaimed)
        guest.isBooting = true
        try guest.host.kernel.appear(FirmwareFramebuffer(.efifb, fb))
        #expect(try guest.run() == .stopped)
        #expect(guest.told.first == "guarding")
        #expect(guest.host.paused == 0)
    }

    @Test("A splash that draws to the card's framebuffer is asked before the claim, which would have to wait for it")
    func framebuffer() throws {
        let stage = try Stage {
            GPU(gpu)
            FirmwareFramebuffer(.efifb, fb)
            Process(812, "plymouthd", holds: "/dev/fb0")
        }
        stage.isBooting = true
        stage.host.kernel.heldForPauses = .max
        try stage.host.folder.write("812\n", to: "/run/plymouth/pid")
        stage.endSplash = {
            #expect(stage.host.writes.isEmpty)
            stage.host.kernel.heldForPauses = 0
            Self.end(812, on: stage)
            return nil
        }
        #expect(try stage.run() == .stopped)
        #expect(
            stage.told == [
                "waiting for plymouthd", "asking plymouthd", "claimed 1 of 1 BAR mapped", "guarding", "stopped",
            ])
        #expect(stage.asked == 1)
    }
}
