package import Aperture
package import Configuration
package import Journal
internal import KernelFiles
package import Reclaim
package import SystemPackage

/// What a joint guard reports of itself; what happens to a card is a ``GuardEvent``.
package enum JointEvent: Sendable {
    /// A line of the configuration was not understood.
    case configurationWarning(ConfigurationWarning)
    /// The configuration cannot be read.
    case configurationRefused(Refusal)
    /// These cards are guarded from now on, as far as they can be claimed.
    case begins([PCIAddress])
    /// The card's thread could not be started.
    case noThread(PCIAddress, Errno)
    /// A card's thread has given no sign for so many milliseconds.
    case silent(PCIAddress, Int64)
    /// The socket overflowed and the kernel dropped events, so the guard reads everything again.
    case ueventsLost
    /// The cards could not be listed, or the service manager did not take a state.
    case failed(String)
    /// A signal ends the guard.
    case stopped
    /// These cards' threads have not ended in time.
    case leftBehind([PCIAddress])
}

/// One guard for several cards: each card has a thread with a ``CardGuard`` of its own, so that one that hangs or fails
/// delays no other. The main thread has the events and the signals, and tells the service manager how all cards stand.
package final class JointGuard<H: Host, Source: WakeupSource> {
    /// How often the service manager is asked for more time while cards are being claimed, in milliseconds.
    private static var startInterval: Int64 { 2000 }
    /// The time between two looks at the threads while cards are being released, in milliseconds.
    private static var stopInterval: Int32 { 50 }
    /// How long a stop waits for the cards' threads, in milliseconds.
    private static var stopPatience: Int64 { 75_000 }

    private let addresses: [PCIAddress]
    private let settings: JointSettings<H>
    private let notifier: ServiceNotifier
    private let tell: (JointEvent) -> Void
    private let poke: @Sendable () -> Void
    private var source: Source

    /// As it was read last, at the start or by a reload.
    private var configuration = Configuration()
    private var seats: [PCIAddress: CardSeat] = [:]
    /// The cards that are meant, there or not.
    private var meant: Set<PCIAddress> = []
    /// The cards that are meant and not there.
    private var absent: [PCIAddress] = []
    private var isReady = false
    private var text = ""
    /// Why the last reload changed nothing.
    private var reloadComplaint: String?
    private let timeout: StartTimeout

    /// Does nothing yet; ``run()`` starts the guard.
    /// - Parameters:
    ///   - addresses: The cards; empty for those that the configuration enables.
    ///   - source: Wakes the guard. It must listen already, so that no event before the claims is missed.
    ///   - poke: Makes the source return ``Wakeup/poke``; called by other threads.
    ///   - tell: Receives each event; it logs.
    package init(
        _ addresses: [PCIAddress], settings: JointSettings<H>, source: Source, notifier: ServiceNotifier,
        poke: @escaping @Sendable () -> Void, tell: @escaping (JointEvent) -> Void
    ) {
        self.addresses = addresses
        self.settings = settings
        self.source = source
        self.notifier = notifier
        self.poke = poke
        self.tell = tell
        timeout = StartTimeout(notifier: notifier)
    }

    /// Runs until a signal ends the guard. Every end is logged before this returns.
    package func run() -> GuardEnd {
        do {
            guard try readConfiguration() else { return .refused }
            tell(.begins(seats.keys.sorted()))
            while true {
                if !isReady { source.lookAgain(afterMilliseconds: Self.startInterval) }
                try report()
                switch try source.next() {
                case .stop: return try stop()
                case .reload: try reload()
                case .change(let areEventsLost): look(areEventsLost)
                case .poke: revive()
                }
            }
        } catch {
            tell(.failed("\(error)"))
            // The cards stay claimed: the next guard takes them over.
            return .failed
        }
    }

    /// Tells of each card whose thread has been at work for long without a sign.
    package func listen() {
        for (address, seat) in seats {
            if let silence = seat.silence(longerThan: settings.longestSilence) { tell(.silent(address, silence)) }
        }
    }

    // MARK: - Which cards

    /// Reads the configuration, and seats the cards that it means.
    /// - Returns: False when it cannot be read. The former one stays in force then.
    private func readConfiguration() throws -> Bool {
        do {
            configuration = try ConfigurationReader(tree: settings.tree).read()
        } catch {
            tell(.configurationRefused(Refusal(unreadableConfiguration: error)))
            return false
        }
        configuration.warnings.forEach { tell(.configurationWarning($0)) }
        try seatCards()
        return true
    }

    /// Starts the threads of the cards that are meant, and stops those that no longer are.
    private func seatCards() throws {
        let cards = try settings.cards.read()
        let meant = addresses.isEmpty ? configuration.enabled(among: cards) : addresses
        self.meant = Set(meant)
        let present = Set(cards.map(\.address))
        absent = meant.filter { !present.contains($0) }
        let host = settings.makeHost {}
        for address in meant where present.contains(address) {
            if let seat = seats[address], !seat.isFinished {
                seat.appear(host.identity(ofDevice: KernelPath.device(address)))
                continue
            }
            let seat = CardSeat(address, poke: poke)
            do throws(Errno) {
                try SeatThread<H>.start(seat, settings)
                seats[address] = seat
            } catch {
                tell(.noThread(address, error))
            }
        }
        // A card that has gone is no longer matched by anything, and may come back.
        for (address, seat) in seats where !meant.contains(address) && present.contains(address) {
            if seat.isFinished { seats[address] = nil } else { seat.stop() }
        }
    }

    private func look(_ areEventsLost: Bool) {
        if areEventsLost { tell(.ueventsLost) }
        for seat in seats.values { seat.change(areEventsLost: areEventsLost) }
        do {
            // A card may have come, or come back. Which cards are meant is as the last reload has said.
            guard isReady else { return }
            try seatCards()
        } catch {
            tell(.failed("\(error)"))
        }
    }

    /// A card that went may be back before its guard had ended, and its event came too early then. A card that was taken
    /// out of the configuration may be meant again before its guard had ended.
    private func revive() {
        let isEarly = seats.contains { address, seat in
            seat.phase == .ended(.gone) || seat.isFinished && meant.contains(address)
        }
        if isReady, isEarly { look(false) }
    }

    private func reload() throws {
        // A service manager that waits for the start would take the end of a reload for it.
        if isReady { try notifier.tellReloading() }
        do {
            reloadComplaint =
                try readConfiguration() ? nil : "Not reloaded: the configuration cannot be used, see the journal."
        } catch {
            tell(.failed("\(error)"))
            reloadComplaint = "Not reloaded: the cards could not be listed, see the journal."
        }
        if reloadComplaint == nil { seats.values.forEach { $0.reload() } }
        if isReady { try notifier.tellSurely(.ready) }
    }

    // MARK: - The service manager

    private func report() throws {
        let isSettled = seats.values.allSatisfy(\.isSettled)
        let line = summary
        if !isReady, isSettled {
            isReady = true
            text = line
            // A card may have come meanwhile.
            source.lookAgain(afterMilliseconds: 0)
            return try notifier.tellSurely(.ready, .status(line))
        }
        if !isReady { timeout.extend() }
        guard text != line else { return }
        text = line
        do {
            try notifier.tell(.status(line))
        } catch {
            // The journal says the same.
            tell(.failed("\(error)"))
        }
    }

    /// How all cards stand: how many are as they should be, and each of the others.
    private var summary: String {
        var missing = Set(absent)
        var present = 0
        var others: [(address: PCIAddress, text: String)] = []
        for (address, seat) in seats {
            let (phase, text) = seat.standing
            if phase == .ended(.gone) {
                missing.insert(address)
                continue
            }
            present += 1
            if phase != .ready || !text.hasPrefix("Claimed") {
                others.append((address, text.isEmpty ? "Claiming." : text))
            }
        }
        guard present > 0 || !missing.isEmpty else {
            return "No card is enabled: Enabled=yes in a [GPU] section, apertured.conf(5)."
        }
        var parts = ["\(present - others.count) of \(present + missing.count) claimed."]
        parts += others.sorted { $0.address < $1.address }.map { "\($0.address): \($0.text)" }
        if !missing.isEmpty {
            parts.append("Not there: \(missing.sorted().map(\.description).joined(separator: ", ")).")
        }
        return (parts + [reloadComplaint].compactMap(\.self)).joined(separator: " ")
    }

    // MARK: - The end

    private func stop() throws -> GuardEnd {
        tell(.stopped)
        try notifier.tellSurely(.stopping)
        seats.values.forEach { $0.stop() }
        let deadline = GuardLoop.now + Self.stopPatience
        while !seats.values.allSatisfy(\.isFinished), GuardLoop.now < deadline {
            // Also for the watchdog.
            source.notifyWatchdog()
            settings.pause(Self.stopInterval)
        }
        let left = seats.values.filter { !$0.isFinished }.map(\.address).sorted()
        if !left.isEmpty {
            tell(.leftBehind(left))
            return .failed
        }
        return seats.values.contains { $0.phase == .finished(.notRestored) } ? .notRestored : .stopped
    }
}
