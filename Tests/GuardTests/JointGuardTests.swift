import Aperture
import Fixtures
import Foundation
import Journal
import KernelFiles
import Reclaim
import Record
import Synchronization
import SystemPackage
import Testing

@testable import Guard

/// A wake-up, or nil while the stage is not yet as it wants it.
private typealias Scene = () throws -> Wakeup?

/// What the threads of the cards ring.
private final class Bell: Sendable {
    private let rings = Monitor(false)

    func ring() { rings.change { $0 = true } }

    /// Waits for a ring since the last call, 100 milliseconds at most.
    func wait() {
        _ = rings.wait(until: GuardLoop.now + 100) { rings -> Bool? in
            guard rings else { return nil }
            rings = false
            return true
        }
    }
}

/// Wake-ups from a list; then a stop.
private final class Script: WakeupSource {
    private struct NeverComes: Error {}

    var scenes: [Scene] = []
    /// What comes before the guard is ready.
    var early: [Wakeup] = []
    private var patience = 5000
    private let bell: Bell
    private let hasSettled: () -> Bool
    /// Called as a watchdog's message is.
    var beat: () -> Void = {}

    init(bell: Bell, hasSettled: @escaping () -> Bool) {
        self.bell = bell
        self.hasSettled = hasSettled
    }

    func next() throws -> Wakeup {
        beat()
        if !early.isEmpty { return early.removeFirst() }
        // While cards are being claimed the guard looks whenever one of them is farther.
        guard hasSettled() else {
            bell.wait()
            return .poke
        }
        guard let scene = scenes.first else { return .stop }
        guard let wakeup = try scene() else {
            patience -= 1
            guard patience > 0 else { throw NeverComes() }
            usleep(2000)
            return .poke
        }
        scenes.removeFirst()
        return wakeup
    }

    func lookAgain(afterMilliseconds milliseconds: Int64) {}

    func notifyWatchdog() {}
}

/// A guard of several cards, their machine, the service manager, and what was told.
private final class Stage: Sendable {
    let machine: SharedMachine
    let manager: Manager
    let told = Mutex<[String]>([])
    let errors = Mutex<[String]>([])

    init(cards: Int, _ configuration: String? = nil) throws {
        manager = try Manager()
        machine = try SharedMachine { () -> [any Part] in
            (0..<cards).map { number in
                let base = 0x40_0000_0000 + UInt64(number) << 24
                return GPU(
                    Self.name(number), bars: [BAR(0, base...(base + 0xff_ffff))], driver: "amdgpu", group: number + 1)
            }
        }
        if let configuration {
            try machine.with { try $0.folder.write(configuration, to: "/etc/apertured.conf") }
        }
    }

    static func name(_ number: Int) -> String { "0000:0\(number % 8):\(number / 8 + 10).0" }

    static func address(_ number: Int) throws -> PCIAddress { try #require(PCIAddress(name(number))) }

    func run(
        _ addresses: [PCIAddress] = [], onStop: StopPolicy = .release, early: [Wakeup] = [],
        longestSilence: Int64 = 120_000,
        take: @escaping JointHost<SharedMachine>.Shared.Take = { _, _ in NSObject() }, _ scenes: [Scene] = []
    ) -> GuardEnd {
        let tree = machine.with { FileTree(root: FilePath($0.folder.path)) }
        let machine = machine
        let told = Told { text in self.told.withLock { $0.append(text) } }
        let shared = JointHost<SharedMachine>.Shared(lock: JointLock(), reads: JointReads(host: machine), take: take)
        var settings = JointSettings(
            shared: shared, makeHost: { _ in machine },
            makeBoot: { Boot(isUnderWay: { false }, endSplash: { nil }) }, tree: tree, lockMilliseconds: 1000,
            onStop: onStop, tell: { told.tell($0, $1) })
        settings.longestSilence = longestSilence
        let bell = Bell()
        let script = Script(bell: bell) { [manager] in manager.isReady }
        script.scenes = scenes
        script.early = early
        let joint = JointGuard(
            addresses, settings: settings, source: script, notifier: manager.notifier, poke: { bell.ring() },
            tell: { event in
                switch event {
                case .failed(let reason): self.errors.withLock { $0.append(reason) }
                case .silent(let card, _): self.told.withLock { $0.append("\(card) silent") }
                default: break
                }
            })
        script.beat = joint.listen
        defer { script.beat = {} }
        return joint.run()
    }

    /// The last status line that the manager was told.
    var status: String? {
        manager.texts.flatMap { $0.split(separator: "\n") }.last { $0.hasPrefix("STATUS=") }
            .map { String($0.dropFirst(7)) }
    }

    func driver(_ number: Int) throws -> String? {
        try machine.driver(ofDevice: KernelPath.device(try Self.address(number)))
    }

    /// Waits until it is so; 10 seconds at most.
    func wait(_ condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<2000 {
            if try condition() { return true }
            usleep(5000)
        }
        return false
    }
}

private struct Told: Sendable {
    let told: @Sendable (String) -> Void

    func tell(_ card: PCIAddress, _ event: GuardEvent) {
        switch event {
        case .claimed: told("\(card) claimed")
        case .claimRefused(let refusal), .configurationRefused(let refusal): told("\(card) \(refusal.code.rawValue)")
        case .claimFailed: told("\(card) failed")
        case .guardedByOther(let name): told("\(card) guarded by \(name)")
        case .released: told("\(card) released")
        case .failed(let reason): told("\(card) \(reason)")
        default: break
        }
    }
}

@Suite("Joint guard", .serialized)
struct JointGuardTests {
    private static let both = "[GPU]\nAddress=0000:00:10.0\nEnabled=yes\n[GPU]\nAddress=0000:01:10.0\nEnabled=yes\n"

    @Test("It claims each card that the configuration enables, is ready once, and gives all of them back")
    func claims() throws {
        let stage = try Stage(cards: 3, Self.both)
        var status: String?
        var drivers: [String?] = []
        #expect(
            stage.run(
                [],
                [
                    {
                        status = stage.status
                        drivers = try (0..<3).map(stage.driver)
                        return .stop
                    }
                ]) == .stopped)
        #expect(status == "2 of 2 claimed.")
        #expect(drivers == ["vfio-pci", "vfio-pci", "amdgpu"])
        #expect(try (0..<3).map(stage.driver) == ["amdgpu", "amdgpu", "amdgpu"])
        #expect(try stage.machine.recorded().isEmpty)
        #expect(stage.manager.texts.count { $0.contains("READY=1") } == 1)
        #expect(stage.manager.texts.contains { $0.contains("STOPPING=1") })
        #expect(stage.errors.withLock(\.self).isEmpty)
    }

    @Test("With keep the cards stay claimed, and the next guard takes them over")
    func keeps() throws {
        let stage = try Stage(cards: 2, Self.both)
        #expect(stage.run(onStop: .keep) == .stopped)
        #expect(try stage.machine.recorded().count == 2)
        #expect(try stage.driver(0) == "vfio-pci")
        let before = stage.machine.with(\.writes.count)
        #expect(
            stage.run(onStop: .keep, [{ stage.machine.with(\.writes.count) == before ? .stop : .poke }]) == .stopped)
        #expect(stage.machine.with(\.writes.count) == before)
    }

    @Test("A card that fails, and one that is refused, delay no other; the status line names both")
    func fails() throws {
        let stage = try Stage(cards: 3)
        // The first card's override fails, again and again.
        stage.machine.with { host in
            host.faults = Dictionary(uniqueKeysWithValues: (0..<40).map { ($0, .fails(.ioError)) })
            host.beforeWrite = { path, _ in if !path.contains("0000:00:10.0") { host.faults[host.writes.count] = nil } }
        }
        let cards = try (0..<3).map(Stage.address) + [try #require(PCIAddress("0000:09:00.0"))]
        var status: String?
        let end = stage.run(
            cards,
            [
                {
                    status = stage.status
                    return .stop
                }
            ])
        #expect(end == .stopped)
        let line = try #require(status)
        #expect(line.hasPrefix("2 of 4 claimed. 0000:00:10.0: Failed: "), "\(line)")
        #expect(line.hasSuffix("Not there: 0000:09:00.0."), "\(line)")
        #expect(try stage.driver(0) == "amdgpu")
    }

    @Test("A card whose write hangs keeps no other from being claimed")
    func hangs() throws {
        let stage = try Stage(cards: 4)
        stage.machine.hang("drivers/amdgpu/unbind 0000:02:10.0")
        let others = Mutex<[Bool]>([])
        let watcher = Thread {
            for number in [0, 1, 3] {
                let isClaimed = try? stage.wait {
                    try stage.machine.record(of: Stage.address(number))?.state == .claimed
                }
                others.withLock { $0.append(isClaimed ?? false) }
            }
            stage.machine.letGo()
        }
        watcher.start()
        #expect(stage.run(try (0..<4).map(Stage.address)) == .stopped)
        #expect(others.withLock(\.self) == [true, true, true])
        #expect(try stage.machine.recorded().isEmpty)
    }

    @Test("A card that another guard has is left to it, also at the stop")
    func others() throws {
        let stage = try Stage(cards: 2, Self.both)
        let tree = stage.machine.with { FileTree(root: FilePath($0.folder.path)) }
        let lock = try GuardLock(of: Stage.address(1), in: tree, as: "apertured@0000:01:10.0.service (pid 7)")
        #expect(stage.run() == .stopped)
        #expect(GuardLock.isHeld(for: try Stage.address(1), in: tree))
        _ = consume lock
        #expect(!GuardLock.isHeld(for: try Stage.address(1), in: tree))
        #expect(
            stage.told.withLock(\.self).contains(
                "0000:01:10.0 guarded by apertured@0000:01:10.0.service (pid 7)"))
        #expect(
            stage.machine.with(\.writes).allSatisfy { !$0.path.contains("0000:01:10.0") && $0.value != "0000:01:10.0" })
    }

    @Test("A card that another guard has claimed since it was refused here stays that guard's at the stop")
    func takenOver() throws {
        let stage = try Stage(cards: 2, Self.both + "[GPU]\nAddress=0000:01:10.0\nId=10de:2204\n")
        let (tree, card) = (stage.machine.with { FileTree(root: FilePath($0.folder.path)) }, try Stage.address(1))
        let other = CardHold()
        var line: String?
        let end = stage.run(
            [],
            [
                {
                    line = stage.status
                    try other.take(card, in: tree, as: "apertured@\(card).service (pid 7)")
                    let outcome = try stage.machine.with { try $0.claim("\(card)") }
                    return outcome.isClaimed ? .stop : nil
                }
            ])
        #expect(end == .stopped)
        #expect(line?.hasPrefix("1 of 2 claimed. \(card): Refused: ") == true, "\(line ?? "")")
        #expect(try stage.machine.record(of: card)?.state == .claimed)
        #expect(try stage.driver(1) == "vfio-pci")
        #expect(try stage.driver(0) == "amdgpu")
        other.letGo()
    }

    @Test("A card that is meant again before its release has ended is claimed again")
    func meantAgain() throws {
        let stage = try Stage(cards: 2, Self.both)
        let first = "[GPU]\nAddress=0000:00:10.0\nEnabled=yes\n"
        let scenes: [Scene] = [
            {
                stage.machine.hang("drivers/vfio-pci/unbind 0000:01:10.0")
                try stage.machine.with { try $0.folder.write(first, to: "/etc/apertured.conf") }
                return .reload
            },
            { stage.machine.hanging > 0 ? .poke : nil },
            {
                try stage.machine.with { try $0.folder.write(Self.both, to: "/etc/apertured.conf") }
                return .reload
            },
            {
                stage.machine.letGo()
                return .poke
            },
            {
                let told = stage.told.withLock(\.self)
                guard told.contains("0000:01:10.0 released"), stage.status == "2 of 2 claimed." else { return nil }
                return try stage.machine.record(of: Stage.address(1))?.state == .claimed ? .stop : nil
            },
        ]
        #expect(stage.run([], scenes) == .stopped)
        #expect(stage.told.withLock { $0.filter { $0 == "0000:01:10.0 claimed" }.count } == 2)
    }

    @Test("A refused card is tried again when another one comes into its place")
    func replaced() throws {
        let stage = try Stage(cards: 2, Self.both + "[GPU]\nAddress=0000:01:10.0\nId=10de:2204\n")
        let card = try Stage.address(1)
        let folder = KernelPath.device(card)
        var line: String?
        let scenes: [Scene] = [
            {
                line = stage.status
                // Out and in between two looks.
                try stage.machine.with { host in
                    try host.write("1", to: "\(folder)/remove")
                    try host.write("1", to: "/sys/bus/pci/rescan")
                    try host.folder.write("0x10de\n", to: "\(folder)/vendor")
                    try host.folder.write("0x2204\n", to: "\(folder)/device")
                }
                return .change(areEventsLost: false)
            },
            { stage.status == "2 of 2 claimed." ? .stop : nil },
        ]
        #expect(stage.run([], scenes) == .stopped)
        #expect(line?.contains("1 of 2 claimed. \(card): Refused: ") == true, "\(line ?? "")")
        #expect(stage.told.withLock { $0.contains("\(card) claimed") })
        #expect(stage.errors.withLock(\.self).isEmpty)
    }

    @Test("A stop that comes before an interrupted claim was undone undoes it")
    func stoppedEarly() throws {
        let stage = try Stage(cards: 1)
        let card = try Stage.address(0)
        // A claim that was killed before its last step.
        try stage.machine.with { host in
            host.kill = FixtureHost.Kill(host.effects + 3, isAfter: true)
            _ = try host.claim("\(card)")
            host.revive()
        }
        #expect(try stage.machine.record(of: card)?.state == .claiming)
        let tries = Mutex(0)
        let end = stage.run(
            [card], early: [.stop],
            take: { _, signal throws(ReclaimError) in
                if tries.withLock({
                    $0 += 1; return $0
                }) > 1 {
                    return NSObject()
                }
                // Another run has the lock until the guard is stopped.
                while true {
                    if let signal = signal() {
                        throw .record(.interrupted(by: signal, holder: "apertured claim (pid 7)"))
                    }
                    usleep(1000)
                }
            })
        #expect(end == .stopped)
        #expect(try stage.machine.recorded().isEmpty)
        #expect(try stage.driver(0) == "amdgpu")
    }

    @Test("A reload before the guard is ready says nothing of it to the service manager")
    func reloadedEarly() throws {
        let stage = try Stage(cards: 2, Self.both)
        var status: String?
        #expect(
            stage.run(
                early: [.reload, .reload],
                [
                    {
                        status = stage.status
                        return .stop
                    }
                ]) == .stopped)
        #expect(status == "2 of 2 claimed.")
        #expect(stage.manager.texts.count { $0.contains("READY=1") } == 1)
        #expect(!stage.manager.texts.contains { $0.contains("RELOADING=1") })
    }

    @Test("A card that hangs without a deadline is told, and keeps the guard from being ready no longer")
    func silent() throws {
        let stage = try Stage(cards: 2)
        let card = try Stage.address(1)
        stage.machine.hang("drivers/amdgpu/unbind \(card)")
        var status: String?
        #expect(
            stage.run(
                [try Stage.address(0), card], longestSilence: 4000,
                [
                    {
                        status = stage.status
                        stage.machine.letGo()
                        return .poke
                    },
                    { stage.status == "2 of 2 claimed." ? .stop : nil },
                ]) == .stopped)
        #expect(status == "1 of 2 claimed. \(card): It gives no sign of life.")
        #expect(stage.told.withLock { $0.contains("\(card) silent") })
    }

    @Test("A card that goes is told as missing, its record goes, and it is claimed again when it comes back")
    func returns() throws {
        let stage = try Stage(cards: 2, "[GPU]\nId=1234:1111\nMultiple=yes\nEnabled=yes\n")
        let card = try Stage.address(1)
        let folder = KernelPath.device(card)
        var records: [PCIAddress] = []
        let wait = { (line: String, wakeup: Wakeup) in stage.status == line ? wakeup : nil }
        let scenes: [Scene] = [
            {
                try stage.machine.with { try $0.folder.move(folder, to: "/away") }
                return .change(areEventsLost: false)
            },
            { wait("1 of 2 claimed. Not there: \(card).", .poke) },
            {
                records = try stage.machine.recorded()
                try stage.machine.with { try $0.folder.move("/away", to: folder) }
                return .change(areEventsLost: false)
            },
            { wait("2 of 2 claimed.", .stop) },
        ]
        #expect(stage.run([], scenes) == .stopped)
        #expect(records == [try Stage.address(0)])
        #expect(stage.errors.withLock(\.self).isEmpty)
    }

    @Test("Without an enabled card it waits, and takes one that a reload enables")
    func reloads() throws {
        let stage = try Stage(cards: 2, "[GPU]\nAddress=0000:00:10.0\n")
        var lines: [String?] = []
        var isTaken = false
        #expect(
            stage.run(
                onStop: .keep,
                [
                    {
                        lines.append(stage.status)
                        try stage.machine.with { try $0.folder.write(Self.both, to: "/etc/apertured.conf") }
                        return .reload
                    },
                    {
                        isTaken = try stage.wait {
                            try (0..<2).allSatisfy { number in
                                try stage.machine.record(of: Stage.address(number))?.state == .claimed
                            }
                        }
                        try stage.machine.with {
                            try $0.folder.write("[GPU]\nAddress=0000:00:10.0\nEnabled=yes\n", to: "/etc/apertured.conf")
                        }
                        return .reload
                    },
                ]) == .stopped)
        #expect(lines == ["No card is enabled: Enabled=yes in a [GPU] section, apertured.conf(5)."])
        #expect(isTaken)
        #expect(try stage.machine.recorded().count == 2)
    }

    /// How often the machine was read for the claims of so many cards, and how long they took.
    private static func claim(_ count: Int) throws -> (readings: Int, time: Duration, processorTime: Double) {
        let stage = try Stage(cards: count)
        var readings = 0
        let clock = ContinuousClock()
        let start = clock.now
        var time = Duration.zero
        // In seconds, of all threads; other work on the machine matters less to it.
        let used = Double(Foundation.clock()) / Double(CLOCKS_PER_SEC)
        var processorTime = 0.0
        let end = stage.run(
            try (0..<count).map(Stage.address), onStop: .keep,
            [
                {
                    (readings, time) = (stage.machine.with(\.readings), clock.now - start)
                    processorTime = Double(Foundation.clock()) / Double(CLOCKS_PER_SEC) - used
                    return .stop
                }
            ])
        #expect(end == .stopped)
        let others = stage.told.withLock { $0.filter { !$0.hasSuffix(" claimed") } }
        #expect(try stage.machine.recorded().count == count, "\(others)")
        return (readings, time, processorTime)
    }

    @Test("Cards that are claimed together share their snapshots: 64 cards need hardly more than 8")
    func shares() throws {
        // The first one alone would also pay for what the runtime sets up once.
        _ = try Self.claim(8)
        let (few, many) = (try Self.claim(8), try Self.claim(64))
        print(
            "joint guard: 8 cards: \(few.readings) snapshots, \(few.time); 64 cards: \(many.readings), \(many.time): "
                + "\(many.time / few.time) times as long, \(many.processorTime / few.processorTime) times the processor's time"
        )
        // Each card alone would take five.
        #expect(few.readings < 40)
        #expect(many.readings < 64)
    }
}
