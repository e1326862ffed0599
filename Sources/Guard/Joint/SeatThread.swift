package import Aperture
internal import Glibc
internal import Journal
package import KernelFiles
package import Reclaim
internal import Record
internal import SystemPackage

/// What becomes of the cards when a guard stops.
package enum StopPolicy: String, Hashable, Sendable, CaseIterable {
    /// The host gets them back.
    case release
    /// They stay claimed, for the next guard.
    case keep
}

/// What the threads of a joint guard work with.
package struct JointSettings<H: Host>: Sendable {
    /// What the threads share.
    package var shared: JointHost<H>.Shared
    /// Makes the machine for one thread. The closure is called several times a second while something hangs.
    package var makeHost: @Sendable (@escaping () -> Void) -> H
    /// Makes what a guard asks of the service manager while the machine boots.
    package var makeBoot: @Sendable () -> Boot
    /// The root below which the configuration is read.
    package var tree: FileTree { cards.tree }
    /// Reads what the configuration can say of every GPU, for all threads.
    let cards: CardsReading
    /// How long to wait for another run of apertured, in milliseconds.
    package var lockMilliseconds: Int32
    /// What becomes of the cards when the guard stops.
    package var onStop: StopPolicy
    /// Receives each event of a card; it logs. Called by several threads.
    package var tell: @Sendable (PCIAddress, GuardEvent) -> Void

    /// A thread that gives no sign for so long is told, and no longer waited for, in milliseconds: longer than any deadline.
    package var longestSilence: Int64 = 120_000
    /// How long a release waits for another run of apertured, or for another card of this guard, in milliseconds: longer
    /// than one write may take, and not as long as a stop waits for the threads.
    var releaseMilliseconds: Int32 = 60_000
    /// Waits between two looks at the threads, in milliseconds.
    var pause: @Sendable (Int32) -> Void = { _ = poll(nil, 0, $0) }

    /// See the properties.
    package init(
        shared: JointHost<H>.Shared, makeHost: @escaping @Sendable (@escaping () -> Void) -> H,
        makeBoot: @escaping @Sendable () -> Boot, tree: FileTree, lockMilliseconds: Int32, onStop: StopPolicy,
        tell: @escaping @Sendable (PCIAddress, GuardEvent) -> Void
    ) {
        self.shared = shared
        self.makeHost = makeHost
        self.makeBoot = makeBoot
        cards = CardsReading(tree: tree)
        self.lockMilliseconds = lockMilliseconds
        self.onStop = onStop
        self.tell = tell
    }
}

/// The thread of one card: its guard, what comes after it, and the next one.
struct SeatThread<H: Host> {
    /// How long after a failure the guard begins again, in milliseconds, and how often at most without a success.
    private static var pause: Int64 { 5000 }
    private static var mostTries: Int { 20 }
    /// The number of failures after which the card still stays reserved for the next try. See ``UnitRun``.
    private static var reservedTries: Int { 3 }
    /// How long the udev rule may take for a card that has just come, in milliseconds.
    private static var rulePatience: Int64 { 5000 }

    private let seat: CardSeat
    private let settings: JointSettings<H>

    /// Starts the thread.
    /// - Throws: When the system has no room for one more.
    static func start(_ seat: CardSeat, _ settings: JointSettings<H>) throws(Errno) {
        try WorkerThread.start { SeatThread(seat: seat, settings: settings).run() }
    }

    private func run() {
        let company = JointHost<H>.Company()
        let base = settings.makeHost { [seat] in seat.sign() }
        let host = JointHost(base, for: seat.address, shared: settings.shared, company: company) { [seat] in
            // Whoever waits asks this, and waiting is no hanging.
            seat.sign()
            return seat.isStopping ? "SIGTERM" : nil
        }
        let hold = CardHold()
        var tries = 0
        while true {
            var isOthers = false
            var isGuarding = false
            seat.begin(host.identity(ofDevice: KernelPath.device(seat.address)))
            settings.tell(seat.address, .begins)
            awaitRule(host)
            // For the recovery, which comes first. A record that cannot be read is the guard's to tell.
            company.isAlone = !((try? host.loadRecord(of: seat.address))?.keepsToItsCard ?? true)
            let tell = { [settings, seat] (event: GuardEvent) in
                switch event {
                // The joint guard tells these once for all cards.
                case .configurationWarning, .ueventsLost: return
                case .guardedByOther: isOthers = true
                case .guarding: isGuarding = true
                default: break
                }
                settings.tell(seat.address, event)
            }
            let end = CardGuard(
                seat.address, host: host, source: SeatSource(seat), tree: settings.tree,
                lockMilliseconds: settings.lockMilliseconds, notifier: SeatReceiver(seat: seat),
                boot: settings.makeBoot(), hold: hold, cards: settings.cards,
                prepare: { [seat] options in
                    company.isAlone = !Self.keepsToItsCard(host, seat.address, options)
                }, tell: tell
            ).run()
            tries = isGuarding ? 1 : tries + 1
            let mayTryAgain = end == .failed && tries < Self.mostTries
            seat.sign()
            let isLost =
                isOthers
                ? false
                : !putInOrder(
                    after: end, host, company, keepsReservation: mayTryAgain && tries <= Self.reservedTries, tell)
            hold.letGo()
            let time = mayTryAgain ? GuardLoop.now + Self.pause : nil
            let told: GuardEnd = isLost ? .notRestored : end
            seat.enter(mayTryAgain ? .waiting(told) : .ended(told))
            guard end != .stopped, seat.waitToBegin(at: time) else {
                return seat.enter(.finished(end == .stopped ? told : leave(host, company, hold, isOthers, told, tell)))
            }
        }
    }

    /// Waits until udev has noted the card's VFIO driver and the override that its rule set. A card's own unit is only
    /// started then; this guard hears of the card from the kernel, at the same time as udev.
    private func awaitRule(_ host: JointHost<H>) {
        guard host.exists("/run/udev/control") else { return }
        let deadline = GuardLoop.now + Self.rulePatience
        while !host.exists("/run/udev/data/+pci:\(seat.address)"), host.interruption() == nil, GuardLoop.now < deadline
        {
            settings.pause(50)
        }
    }

    /// Whether the claim would touch nothing of another card's. What cannot be read goes alone.
    private static func keepsToItsCard(_ host: JointHost<H>, _ card: PCIAddress, _ options: ClaimOptions) -> Bool {
        do throws(SnapshotError) {
            let snapshot = try host.snapshot(.claim(card), withHolders: true)
            return Planner.plan(for: card, in: snapshot, options: host.resolved(options)).keepsToItsCard
        } catch {
            return false
        }
    }

    /// For a guard that is stopped while it waits: a claim that an earlier guard has left is released too, unless another
    /// guard has the card by now.
    private func leave(
        _ host: JointHost<H>, _ company: JointHost<H>.Company, _ hold: CardHold, _ isOthers: Bool, _ end: GuardEnd,
        _ tell: @escaping (GuardEvent) -> Void
    ) -> GuardEnd {
        guard !isOthers else { return end }
        do throws(RecordError) {
            try hold.take(seat.address, in: settings.tree, as: host.guardName)
        } catch {
            if case .locked = error { return end }
            tell(.failed("\(error)"))
            return .notRestored
        }
        defer { hold.letGo() }
        return putInOrder(after: .stopped, host, company, keepsReservation: false, tell) ? end : .notRestored
    }

    /// - Returns: Whether everything is as it should be.
    private func putInOrder(
        after end: GuardEnd, _ host: JointHost<H>, _ company: JointHost<H>.Company, keepsReservation: Bool,
        _ tell: @escaping (GuardEvent) -> Void
    ) -> Bool {
        // At shutdown nothing needs to be restored.
        if host.isStopping() { return true }
        let aftermath = Aftermath(
            seat.address, host: host.unstoppable,
            lockMilliseconds: settings.releaseMilliseconds, tell: tell)
        do throws(ReclaimError) {
            let record = try host.loadRecord(of: seat.address)
            company.isAlone = !(record?.keepsToItsCard ?? true)
            if end == .stopped, host.exists(KernelPath.device(seat.address)) {
                // What an earlier guard has left half done, and this one was stopped too early for.
                if let record, record.state != .claimed, let restored = try aftermath.cleanUp(), !restored.isComplete {
                    seat.show("Not restored.")
                    return false
                }
                guard settings.onStop == .release else { return true }
                seat.show("Releasing.")
                let outcome = try aftermath.release()
                _ = try aftermath.undoRule()
                switch outcome?.result {
                case .released, .kept, nil: seat.show("Released.")
                case .refused(let refusals):
                    seat.show("Not released: \(refusals.map(\.message).joined(separator: " "))")
                case .failed: return outcome?.restoration.isComplete ?? false
                }
                return true
            }
            let restored = try aftermath.cleanUp()
            let undone = keepsReservation || end == .gone || end == .stopped ? nil : try aftermath.undoRule()
            return (restored?.isComplete ?? true) && (undone?.isComplete ?? true)
        } catch {
            tell(.failed("\(error)"))
            return false
        }
    }
}
