internal import Aperture
internal import CLinux
internal import Guard
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record

/// Claims several GPUs and guards them, in one process.
struct GuardCards: Verb {
    /// Empty for those that the configuration enables.
    var addresses: [PCIAddress]
    var onStop = StopPolicy.release
    var verbose = false
    var log = LogChoice.auto
    var locking = Locking()
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let log = log.log(Detail(quiet: false, verbose: verbose).threshold)
        let joint = JointLog(log: log)
        if let refusal = WritingVerb.begin(tree) ?? Refusal.foreignProcesses(in: tree) {
            joint.refuse(refusal)
            throw ExitStatus.refused
        }
        let notifier: ServiceNotifier
        let poke: Poke
        let beats = Beats()
        let loop: GuardLoop
        do {
            notifier = try ServiceNotifier()
            if try GuardCard.isSwitchedOff(tree) {
                joint.switchedOff()
                return try notifier.tellSwitchedOff()
            }
            poke = try Poke()
            // Listen before the claims, so that no event is missed. Threads inherit the signals that this blocks.
            loop = try GuardLoop(
                card: nil, notifier: notifier, watchdog: Watchdog() ?? Self.heartbeat, poke: poke,
                beat: { beats.give() })
        } catch {
            joint.fail(error)
            throw ExitStatus.failed
        }
        clinux_share_heap()
        let alive = sign(joint)
        let metrics = JointMetrics(
            on: MachineHost(tree: tree), warn: { log.write(JournalEntry(nil, .warning, $0)) })
        metrics.start()
        let guardian = JointGuard(
            addresses, settings: settings(log, metrics), source: loop, notifier: notifier, poke: { poke.give() },
            tell: joint.tell)
        beats.action = {
            alive?.lock.beat()
            guardian.listen()
        }
        let end = guardian.run()
        // It refers to the guard, which refers to the loop, which refers to it.
        beats.action = {}
        metrics.finish()
        if let status = ExitStatus(end) { throw status }
    }

    /// Without a service manager's watchdog a sign of life is given as often as this one would want it, for probes.
    private static let heartbeat = Watchdog(environment: Environment(["WATCHDOG_USEC": "20000000"]))

    /// Shows probes that this guard is alive. A second guard of several cards, for others, goes on without.
    private func sign(_ log: JointLog) -> Alive? {
        do throws(RecordError) {
            return Alive(try GuardLock(ofJointGuardIn: tree, as: MachineHost(tree: tree).guardName))
        } catch {
            log.unseen(error)
            return nil
        }
    }

    private func settings(_ log: Log, _ metrics: JointMetrics) -> JointSettings<MachineHost> {
        let (tree, deadline) = (tree, Int32(locking.writeDeadline) * 1000)
        let reads = JointReads(host: MachineHost(tree: tree, writeDeadline: deadline))
        let shared = JointHost<MachineHost>.Shared(lock: JointLock(), reads: reads) {
            (milliseconds, signal) throws(ReclaimError) in
            HeldLock(try MachineHost(tree: tree).lock(within: milliseconds, unless: signal))
        }
        return JointSettings(
            shared: shared,
            makeHost: { tick in
                var host = MachineHost(tree: tree, writeDeadline: deadline)
                host.tick = tick
                return host
            },
            makeBoot: { Boot(isUnderWay: ServiceManager.isStarting, endSplash: ServiceManager.endSplash) },
            tree: tree, lockMilliseconds: locking.lockMilliseconds, onStop: onStop,
            tell: { address, event in
                ClaimLog(address: address, log: log).tell(event)
                metrics.follow(address, event)
            })
    }
}

/// The lock of the guard of several cards, as long as it runs.
private final class Alive {
    let lock: GuardLock

    init(_ lock: consuming GuardLock) { self.lock = lock }
}

/// What is done with each message to the watchdog, which is known later than the loop.
private final class Beats {
    var action: () -> Void = {}

    func give() { action() }
}
