import Aperture
import Fixtures
import Foundation
import KernelFiles
import LibvirtHook
import Record
import SystemPackage
import Testing
import Units

/// A service manager that does at once what it is asked, and notes it.
final class ScriptedManager: UnitManager {
    var states: [String: UnitState] = [:]
    /// What a start of the unit ends with.
    var startFailures: [String: UnitError] = [:]
    var stopFailures: [String: UnitError] = [:]
    var isShuttingDown = false
    private(set) var calls: [String] = []

    func isStopping() -> Bool { isShuttingDown }

    func state(of card: PCIAddress) -> UnitState { states["\(card)"] ?? UnitState(activity: "inactive") }

    func start(_ card: PCIAddress) throws(UnitError) {
        calls.append("start \(card)")
        if let failure = startFailures["\(card)"] { throw failure }
        states["\(card)"] = UnitState(activity: "active")
    }

    func stop(_ card: PCIAddress) throws(UnitError) {
        calls.append("stop \(card)")
        if let failure = stopFailures["\(card)"] { throw failure }
        states["\(card)"] = UnitState(activity: "inactive")
    }
}

/// A machine's functions, a manager, and the hook of both.
struct HookBed {
    static let uuid = "7a3c4c1e-7d0f-4c0c-8f0a-5b1d6c2e9f00"
    static let memory = "/run/apertured/libvirt/\(uuid)"

    let folder: TemporaryFolder
    let manager = ScriptedManager()

    /// - Parameter functions: The address, the class, and the IOMMU group of each; no group for 0.
    init(_ functions: (String, String, Int)...) throws {
        folder = try TemporaryFolder()
        for (address, pciClass, group) in functions {
            let path = "/sys/bus/pci/devices/\(address)"
            try folder.write("\(pciClass)\n", to: "\(path)/class")
            if group != 0 { try folder.link("\(path)/iommu_group", to: "/sys/kernel/iommu_groups/\(group)") }
        }
    }

    var tree: FileTree { FileTree(root: FilePath(folder.path)) }
    var hook: Hook<ScriptedManager> { Hook(manager: manager, tree: tree) }

    func domain(_ functions: [String]) -> Domain {
        Domain(uuid: Self.uuid, functions: functions.compactMap { PCIAddress($0) })
    }

    /// What is remembered, in lines; `nil` when there is no file.
    var remembered: [String]? {
        (try? String(contentsOfFile: folder.path + Self.memory, encoding: .utf8)).map {
            $0.split(separator: "\n").map { String($0) }
        }
    }

    /// The record of a card's claim in this state.
    /// - Parameter device: The inode number of the claim's device; that of the device that is there, without.
    func record(_ gpu: String, _ state: ClaimRecord.State, device: UInt64? = nil) throws {
        let prior = PriorState(functions: [], framebuffers: [], consoles: [])
        let present = tree.identity("/sys/bus/pci/devices/\(gpu)")
        try RecordStore(tree: tree).save(
            ClaimRecord(
                gpu: try #require(PCIAddress(gpu)), state: state, prior: prior, start: prior, device: device ?? present)
        )
    }

    /// Makes the hook's folder, with this file in it.
    func remember(_ text: String, mode: Int = 0o600) throws {
        try StartedUnits(tree: tree).save([], of: Self.uuid)
        try folder.write(text, to: Self.memory)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder.path + Self.memory)
    }
}

/// Another guard, which has a card until it lets go or is gone.
final class OtherGuard {
    private var lock: GuardLock?

    init(of gpu: String, in tree: FileTree, as name: String = "apertured.service (pid 7)") throws {
        lock = try GuardLock(of: try #require(PCIAddress(gpu)), in: tree, as: name)
    }

    func letGo() { lock = nil }
}

struct HookTests {
    static let vga = "0x030000", audio = "0x040300", usb = "0x0c0330", accelerator = "0x120000", disk = "0x010802"

    @Test(
        "The units of a domain's GPUs are started, each once",
        arguments: [
            // A GPU and its audio are one card.
            (["0000:01:00.0", "0000:01:00.1"], ["start 0000:01:00.0"]),
            // The audio alone shares the GPU's group, so that no guest can have it without the GPU.
            (["0000:01:00.1"], ["start 0000:01:00.0"]),
            // An APU's USB controller and audio have groups of their own.
            (["0000:02:00.1", "0000:02:00.2"], []),
            (["0000:02:00.0", "0000:02:00.2"], ["start 0000:02:00.0"]),
            (["0000:03:00.0"], []),
            (["0000:04:00.0", "0000:01:00.0"], ["start 0000:01:00.0", "start 0000:04:00.0"]),
            // Two display functions of one group are one claim, whichever of them the domain has.
            (["0000:05:00.0", "0000:05:00.1"], ["start 0000:05:00.0"]),
            (["0000:05:00.1"], ["start 0000:05:00.1"]),
            // Their audio does not give the unit its name.
            (["0000:05:00.1", "0000:05:00.2"], ["start 0000:05:00.1"]),
            // Absent: libvirt says so.
            (["0000:06:00.0"], []),
            ([], []),
        ])
    func starts(_ functions: [String], _ calls: [String]) throws {
        let bed = try HookBed(
            ("0000:01:00.0", Self.vga, 1), ("0000:01:00.1", Self.audio, 1),
            ("0000:02:00.0", Self.vga, 2), ("0000:02:00.1", Self.audio, 3), ("0000:02:00.2", Self.usb, 4),
            ("0000:03:00.0", Self.disk, 5), ("0000:04:00.0", Self.accelerator, 6),
            ("0000:05:00.0", Self.vga, 7), ("0000:05:00.1", "0x038000", 7), ("0000:05:00.2", Self.audio, 7))
        try bed.hook.prepare(bed.domain(functions))
        #expect(bed.manager.calls == calls)
        #expect(bed.remembered == (calls.isEmpty ? nil : calls.map { String($0.dropFirst(6)) }))
    }

    @Test("A domain without a GPU leaves no trace")
    func leavesNoTrace() throws {
        let bed = try HookBed(("0000:03:00.0", Self.disk, 5))
        try bed.hook.prepare(bed.domain(["0000:03:00.0"]))
        try bed.hook.release(bed.domain(["0000:03:00.0"]))
        #expect(bed.manager.calls.isEmpty)
        #expect(!bed.tree.exists("/run"))
    }

    @Test(
        "A unit that somebody else has started is not stopped at the domain's end",
        arguments: ["active", "reloading", "activating"])
    func othersUnit(_ activity: String) throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1), ("0000:04:00.0", Self.vga, 2))
        bed.manager.states["0000:01:00.0"] = UnitState(activity: activity)
        let domain = bed.domain(["0000:01:00.0", "0000:04:00.0"])
        try bed.hook.prepare(domain)
        // A start under way is waited for.
        #expect(bed.manager.calls == (activity == "activating" ? ["start 0000:01:00.0"] : []) + ["start 0000:04:00.0"])
        try bed.hook.release(domain)
        #expect(bed.manager.calls.filter { $0.hasPrefix("stop") } == ["stop 0000:04:00.0"])
        #expect(bed.remembered == nil)
    }

    @Test("The unit of another function of the card will do")
    func siblingsUnit() throws {
        let bed = try HookBed(("0000:05:00.0", Self.vga, 7), ("0000:05:00.1", Self.vga, 7))
        bed.manager.states["0000:05:00.1"] = UnitState(activity: "active")
        try bed.hook.prepare(bed.domain(["0000:05:00.0"]))
        #expect(bed.manager.calls.isEmpty)
    }

    // MARK: - Other guards

    /// Where another guard's claim stands when the hook begins.
    enum Claim: CaseIterable {
        case none, underWay, goingBack
        /// Complete, and of a card that was there before.
        case ofAnother

        func write(_ gpu: String, _ bed: HookBed) throws {
            switch self {
            case .none: break
            case .underWay: try bed.record(gpu, .claiming)
            case .goingBack: try bed.record(gpu, .releasing)
            case .ofAnother: try bed.record(gpu, .claimed, device: 1)
            }
        }
    }

    /// What has happened when the hook has waited so often.
    private final class Pauses {
        private(set) var count = 0
        private(set) var milliseconds = 0

        func pause(_ milliseconds: Int32) {
            count += 1
            self.milliseconds += Int(milliseconds)
        }
    }

    @Test(
        "A card that another guard has claimed is left to that guard",
        arguments: [("0000:01:00.0", "0000:01:00.0"), ("0000:05:00.0", "0000:05:00.1")])
    func claimedByOther(_ gpu: String, _ guarded: String) throws {
        let bed = try HookBed(
            ("0000:01:00.0", Self.vga, 1), ("0000:05:00.0", Self.vga, 7), ("0000:05:00.1", Self.vga, 7))
        let other = try OtherGuard(of: guarded, in: bed.tree)
        try bed.record(guarded, .claimed)
        try bed.hook.prepare(bed.domain([gpu]))
        #expect(bed.manager.calls.isEmpty)
        #expect(bed.remembered == nil)
        try bed.hook.release(bed.domain([gpu]))
        #expect(bed.manager.calls.isEmpty)
        // A record without a guard is nobody's to look after the card.
        other.letGo()
        try bed.hook.prepare(bed.domain([gpu]))
        #expect(bed.manager.calls == ["start \(gpu)"])
    }

    @Test("Another guard's claim is waited for", arguments: Claim.allCases, [true, false])
    func waitsForOther(_ claim: Claim, _ succeeds: Bool) throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let other = try OtherGuard(of: "0000:01:00.0", in: bed.tree)
        try claim.write("0000:01:00.0", bed)
        let pauses = Pauses()
        var hook = bed.hook
        hook.pause = { milliseconds in
            pauses.pause(milliseconds)
            guard pauses.count == 3 else { return }
            // Without the record the hook waits on, and the number of pauses tells.
            if succeeds { try? bed.record("0000:01:00.0", .claimed) } else { other.letGo() }
        }
        try hook.prepare(bed.domain(["0000:01:00.0"]))
        #expect(pauses.count == 3)
        #expect(bed.manager.calls == (succeeds ? [] : ["start 0000:01:00.0"]))
        other.letGo()
    }

    @Test("The wait for another guard's claim has an end", arguments: Claim.allCases)
    func otherIsLate(_ claim: Claim) throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1), ("0000:04:00.0", Self.vga, 2))
        let other = try OtherGuard(of: "0000:04:00.0", in: bed.tree)
        try claim.write("0000:04:00.0", bed)
        let pauses = Pauses()
        var hook = bed.hook
        hook.pause = { pauses.pause($0) }
        let error = #expect(throws: HookError.self) { try hook.prepare(bed.domain(["0000:01:00.0", "0000:04:00.0"])) }
        #expect(
            error?.description
                == "0000:04:00.0 is not claimed. Another guard has it, and has not claimed it within 90 seconds: "
                + "apertured.service (pid 7). `systemctl status apertured.service` has more.")
        #expect(pauses.milliseconds == 90_000)
        #expect(bed.manager.calls == ["start 0000:01:00.0", "stop 0000:01:00.0"])
        #expect(bed.remembered == nil)
        other.letGo()
    }

    @Test("A guard that is no service is named as it names itself, in printable letters")
    func otherIsNoService() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let other = try OtherGuard(of: "0000:01:00.0", in: bed.tree, as: "apertured guard (pid 7)\u{1b}[2J")
        var hook = bed.hook
        hook.pause = { _ in }
        let error = #expect(throws: HookError.self) { try hook.prepare(bed.domain(["0000:01:00.0"])) }
        #expect(
            error?.description.hasSuffix(": apertured guard (pid 7)?[2J. `apertured status 0000:01:00.0` shows it.")
                == true)
        other.letGo()
    }

    @Test("The guard of a unit that is being stopped is no other guard: the start waits for the stop")
    func unitThatEnds() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let own = try OtherGuard(of: "0000:01:00.0", in: bed.tree, as: "apertured@0000:01:00.0.service (pid 7)")
        try bed.record("0000:01:00.0", .claimed)
        bed.manager.states["0000:01:00.0"] = UnitState(activity: "deactivating")
        try bed.hook.prepare(bed.domain(["0000:01:00.0"]))
        #expect(bed.manager.calls == ["start 0000:01:00.0"])
        own.letGo()
    }

    @Test("A record that cannot be read does not tell that the card is claimed, and the hook fails at once")
    func unreadableRecord() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let other = try OtherGuard(of: "0000:01:00.0", in: bed.tree)
        try bed.folder.makeFolder("/run/apertured/0000:01:00.0.json")
        let error = #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0"])) }
        #expect(error?.description.contains("/run/apertured/0000:01:00.0.json") == true)
        #expect(bed.manager.calls.isEmpty)
        other.letGo()
    }

    // MARK: - The end

    @Test("Units are stopped at the domain's end, the last one first, and once")
    func stops() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1), ("0000:04:00.0", Self.vga, 2))
        let domain = bed.domain(["0000:01:00.0", "0000:04:00.0"])
        try bed.hook.prepare(domain)
        try bed.hook.release(domain)
        try bed.hook.release(domain)
        #expect(
            bed.manager.calls == [
                "start 0000:01:00.0", "start 0000:04:00.0", "stop 0000:04:00.0", "stop 0000:01:00.0",
            ])
        #expect(bed.remembered == nil)
    }

    @Test("When the second card is refused, the first is given back, and the refusal is told")
    func secondRefused() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1), ("0000:04:00.0", Self.vga, 2))
        bed.manager.startFailures["0000:04:00.0"] = .failed(status: 1)
        bed.manager.states["0000:04:00.0"] = UnitState(activity: "failed", words: "Refused: Xorg holds /dev/dri/card1.")
        let error = #expect(throws: HookError.self) {
            try bed.hook.prepare(bed.domain(["0000:01:00.0", "0000:04:00.0"]))
        }
        #expect(error?.description == "0000:04:00.0 is not claimed. Refused: Xorg holds /dev/dri/card1.")
        #expect(
            bed.manager.calls == [
                "start 0000:01:00.0", "start 0000:04:00.0", "stop 0000:04:00.0", "stop 0000:01:00.0",
            ])
        #expect(bed.remembered == nil)
    }

    @Test("When a card is refused, one that was claimed before stays claimed")
    func othersStays() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1), ("0000:04:00.0", Self.vga, 2))
        bed.manager.states["0000:01:00.0"] = UnitState(activity: "active")
        bed.manager.startFailures["0000:04:00.0"] = .failed(status: 1)
        #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0", "0000:04:00.0"])) }
        #expect(!bed.manager.calls.contains("stop 0000:01:00.0"))
    }

    @Test(
        "What failed is told with what to do",
        arguments: [
            (
                UnitState(activity: "failed", words: "Failed: cannot write."), UnitError.failed(status: 1),
                "Failed: cannot"
            ),
            (
                UnitState(activity: "failed", words: "Refused: \u{1b}[2J holds it."), .failed(status: 1),
                "Refused: ?[2J holds"
            ),
            (UnitState(activity: "inactive", loading: "masked"), .failed(status: 1), "systemctl unmask"),
            (UnitState(activity: "inactive", loading: "not-found"), .failed(status: 5), "not installed"),
            // What the guard said is not about a start that is still under way.
            (
                UnitState(activity: "activating", words: "Refused: old."), .late(seconds: 150),
                "not done within 150 seconds"
            ),
            (UnitState(activity: "inactive"), .failed(status: 1), "journalctl -u apertured@0000:01:00.0.service"),
            (UnitState(activity: "inactive"), .unreachable("systemd does not run here"), "systemd does not run here"),
        ])
    func reasons(_ state: UnitState, _ failure: UnitError, _ words: String) throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        bed.manager.states["0000:01:00.0"] = state
        bed.manager.startFailures["0000:01:00.0"] = failure
        let error = #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0"])) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("It is remembered before the start, so that a hook that is killed leaves nothing unknown")
    func remembersFirst() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        // What an earlier hook has left that did not come further.
        try bed.remember("0000:01:00.0\n")
        bed.manager.states["0000:01:00.0"] = UnitState(activity: "active")
        let domain = bed.domain(["0000:01:00.0"])
        try bed.hook.prepare(domain)
        #expect(bed.remembered == ["0000:01:00.0"])
        try bed.hook.release(domain)
        #expect(bed.manager.calls == ["stop 0000:01:00.0"])
    }

    @Test("A unit that cannot be stopped stays remembered, and is told")
    func cannotStop() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let domain = bed.domain(["0000:01:00.0"])
        try bed.hook.prepare(domain)
        bed.manager.stopFailures["0000:01:00.0"] = .late(seconds: 150)
        let error = #expect(throws: HookError.self) { try bed.hook.release(domain) }
        #expect(error?.description.contains("apertured@0000:01:00.0.service was started for this domain") == true)
        #expect(bed.remembered == ["0000:01:00.0"])
    }

    @Test("At shutdown nothing is stopped: systemd would wait for libvirt's daemon, and that for the hook")
    func shuttingDown() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        let domain = bed.domain(["0000:01:00.0"])
        try bed.hook.prepare(domain)
        bed.manager.isShuttingDown = true
        try bed.hook.release(domain)
        #expect(bed.manager.calls == ["start 0000:01:00.0"])
    }

    @Test(
        "What somebody else may have written is refused, and no unit is stopped for it",
        arguments: [
            ("0000:01:00.0\n", 0o644), ("0000:01:00.0\nsshd.service\n", 0o600), ("../x\n", 0o600),
            ("\u{1b}[2J\n", 0o600),
            (String(repeating: "0000:01:00.0\n", count: 65), 0o600),
            (String(repeating: "0000:01:00.0\n", count: 10_000), 0o600),
        ])
    func hostile(_ text: String, _ mode: Int) throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        try bed.remember(text, mode: mode)
        let error = #expect(throws: HookError.self) { try bed.hook.release(bed.domain(["0000:01:00.0"])) }
        #expect(error?.description.utf8.contains(0x1b) == false)
        #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0"])) }
        #expect(bed.manager.calls.isEmpty)
    }

    @Test("A link in the place of the file is not followed")
    func link() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        try bed.remember("")
        try bed.folder.remove(HookBed.memory)
        try bed.folder.write("0000:01:00.0\n", to: "/elsewhere")
        try bed.folder.symlink(HookBed.memory, destination: bed.folder.path + "/elsewhere")
        #expect(throws: HookError.self) { try bed.hook.release(bed.domain(["0000:01:00.0"])) }
        #expect(bed.manager.calls.isEmpty)
    }

    @Test("A folder that others may use is refused before a unit is started")
    func openFolder() throws {
        let bed = try HookBed(("0000:01:00.0", Self.vga, 1))
        try bed.remember("")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: bed.folder.path + "/run/apertured/libvirt")
        #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0"])) }
        #expect(bed.manager.calls.isEmpty)
    }

    @Test("A class that cannot be understood is no proof that the function is no GPU")
    func unknownClass() throws {
        let bed = try HookBed(("0000:01:00.0", "?", 1))
        #expect(throws: HookError.self) { try bed.hook.prepare(bed.domain(["0000:01:00.0"])) }
    }
}
