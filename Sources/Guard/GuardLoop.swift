package import Aperture
internal import CLinux
internal import Glibc
package import Journal
package import SystemPackage
package import Udev

/// Waits for everything that concerns a guarded card: uevents, signals and the watchdog's interval. One task, one poll.
///
/// Anyone who can plug in a device can flood the guard with events. So the loop reads a limited number of events per
/// turn, rests between two turns, and keeps a distance between two looks at the machine. A signal is answered at once.
package final class GuardLoop: WakeupSource {
    /// The most events read in one turn.
    private static let mostEvents = 256
    /// The pause after a turn, in milliseconds. The events of the pause are read in the next turn.
    private static let rest: Int64 = 20
    /// Lost events are reported again only after this long without a loss, in milliseconds.
    private static let silence: Int64 = 60_000

    /// `nil` for every GPU.
    private let card: PCIAddress?
    private let poke: Poke?
    /// Called with each message to the watchdog.
    private let beat: () -> Void
    private var monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// The time between two messages to the watchdog, in milliseconds; `nil` without a watchdog.
    private let interval: Int64?
    private var haveEventsCome = false
    private var areEventsLost = false

    // The following times are of CLOCK_MONOTONIC, in milliseconds.

    /// When to look again, with or without an event.
    private var due: Int64?
    private var pace = LookPace()
    /// The end of the pause in which no event is read.
    private var restsUntil: Int64 = 0
    /// When the next message to the watchdog is due.
    private var nextSign: Int64 = 0
    /// When the last wake-up with lost events was.
    private var lossTold: Int64?

    /// Listens from now on. Blocks SIGTERM, SIGINT and SIGHUP in this thread and in those it starts later.
    /// - Parameters:
    ///   - card: The card that the wake-ups are about; `nil` for every GPU.
    ///   - poke: What other threads wake the loop with.
    ///   - beat: Called with each message to the watchdog.
    ///   - monitor: Replaces the kernel's uevents, for a test.
    /// - Throws: `Errno` or ``UdevError`` when a descriptor cannot be opened.
    package init(
        card: PCIAddress?, notifier: ServiceNotifier, watchdog: Watchdog? = Watchdog(), poke: Poke? = nil,
        beat: @escaping () -> Void = {}, monitor: consuming UeventMonitor? = nil
    ) throws {
        self.card = card
        self.poke = poke
        self.beat = beat
        signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        self.monitor = if let monitor { monitor } else { try UeventMonitor() }
        self.notifier = notifier
        interval = watchdog.map { Int64($0.intervalMilliseconds) }
    }

    /// Waits for the next wake-up. Events that came together are one wake-up, which does not carry their contents: the
    /// guard reads the machine again, which is right after lost events too.
    /// - Throws: ``UdevError`` when poll(2) or the monitor fails.
    package func next() throws -> Wakeup {
        pace.end()
        while true {
            notifyWatchdog()
            let now = Self.now
            let mayTake = restsUntil <= now
            var descriptors = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
            if mayTake { descriptors.append(pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0)) }
            if let poke { descriptors.append(pollfd(fd: poke.descriptor, events: Int16(POLLIN), revents: 0)) }
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), timeout(now, mayTake))
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            if let signal = signals.take() { return signal == SIGHUP ? .reload : .stop }
            if ready > 0, mayTake { try takeEvents() }
            if let wakeup = dueWakeup() { return wakeup }
            if let poke, poke.take() { return .poke }
        }
    }

    /// Makes ``next()`` return a ``Wakeup/change(areEventsLost:)`` after this time. Events that come before it cause no
    /// wake-up of their own: the state is still changing, and only its end is worth a look.
    package func lookAgain(afterMilliseconds milliseconds: Int64) {
        due = Self.now + milliseconds
    }

    /// Tells the watchdog that the guard is alive, if a message is due. Call it during long work between two waits.
    ///
    /// A service manager that is busy or restarting may miss the message. The loop then tries again within a second.
    package func notifyWatchdog() {
        guard let interval, nextSign <= Self.now else { return }
        beat()
        do {
            try notifier.tell(.watchdog)
            nextSign = Self.now + interval
        } catch {
            nextSign = Self.now + min(interval, 1000)
        }
    }

    // MARK: - Events

    private func takeEvents() throws {
        let card = card
        var concerns = false
        let taken = try monitor.take(atMost: Self.mostEvents) { event in
            concerns = concerns || Self.concerns(card, event)
        }
        if concerns { haveEventsCome = true }
        if taken.areEventsLost {
            areEventsLost = true
            pace.delay(to: Self.now + LookPace.longest)
        }
        restsUntil = Self.now + Self.rest
    }

    /// Whether the event can concern the claim: it is about a function of the slot, a framebuffer or a console.
    private static func concerns(_ card: PCIAddress?, _ event: Uevent) -> Bool {
        switch event.subsystem {
        case "pci": card.map { card in PCIAddress(event.name).map(card.sharesSlot) ?? false } ?? true
        case "platform": PlatformFramebuffer.isFramebuffer(name: event.name)
        case "graphics", "drm", "vtconsole": true
        default: false
        }
    }

    private func dueWakeup() -> Wakeup? {
        let now = Self.now
        if let due {
            guard due <= now else { return nil }
        } else {
            guard haveEventsCome || areEventsLost, pace.next <= now else { return nil }
        }
        var isToTell = areEventsLost
        if areEventsLost {
            isToTell = lossTold.map { $0 + Self.silence <= now } ?? true
            lossTold = now
        }
        (due, haveEventsCome, areEventsLost) = (nil, false, false)
        pace.begin(at: now)
        return .change(areEventsLost: isToTell)
    }

    // MARK: - Time

    /// The timeout for poll(2), in milliseconds: the time to whatever is due next; -1 for no limit.
    private func timeout(_ now: Int64, _ mayTake: Bool) -> Int32 {
        var next: Int64?
        func wake(at time: Int64) { next = min(next ?? time, time) }
        if interval != nil { wake(at: nextSign) }
        if let due { wake(at: due) } else if haveEventsCome || areEventsLost { wake(at: pace.next) }
        if !mayTake { wake(at: restsUntil) }
        return next.map { Int32(clamping: max(0, $0 - now)) } ?? -1
    }

    /// CLOCK_MONOTONIC, in milliseconds.
    package static var now: Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Why a guard wakes up.
package enum Wakeup: Hashable, Sendable {
    /// Something changed that may concern the card, or it is time to look again. `areEventsLost` is true when the loss
    /// of events is to be reported.
    case change(areEventsLost: Bool)
    /// SIGHUP: read the configuration again.
    case reload
    /// SIGTERM or SIGINT: end the guard.
    case stop
    /// Another thread of this process has something to tell.
    case poke
}

/// Wakes a ``GuardLoop`` from another thread: an eventfd(2).
package final class Poke: Sendable {
    /// Readable after ``give()``.
    let descriptor: CInt

    /// - Throws: When no descriptor can be opened.
    package init() throws(Errno) {
        descriptor = clinux_event_open()
        guard descriptor >= 0 else { throw Errno(rawValue: -descriptor) }
    }

    deinit {
        // Nothing of what was written through it is lost with it.
        _ = close(descriptor)
    }

    /// Makes the loop return ``Wakeup/poke``. Several before it does are one.
    package func give() {
        var one: UInt64 = 1
        // It fails only when it is readable already.
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func take() -> Bool {
        var count: UInt64 = 0
        return unsafe read(descriptor, &count, MemoryLayout<UInt64>.size) == MemoryLayout<UInt64>.size
    }
}

/// The source of a guard's wake-ups: the kernel's events and signals, or a test's list.
package protocol WakeupSource {
    /// Waits for the next wake-up.
    mutating func next() throws -> Wakeup

    /// Makes ``next()`` return a ``Wakeup/change(areEventsLost:)`` after this time, event or not.
    mutating func lookAgain(afterMilliseconds milliseconds: Int64)

    /// Tells the service manager's watchdog that the guard is alive, if a message is due. Call it during long work
    /// between two waits.
    mutating func notifyWatchdog()
}

/// A signalfd(2) for some of the process's signals.
package struct SignalDescriptor: ~Copyable {
    /// Readable when a signal is pending; poll it, and do not read from it.
    package let descriptor: CInt

    /// Blocks the signals and opens the descriptor.
    package init(_ signals: [CInt]) throws(Errno) {
        descriptor = try Self.open(signals)
    }

    deinit {
        // Nothing was written through it, so a failing close loses nothing.
        _ = close(descriptor)
    }

    private static func open(_ signals: [CInt]) throws(Errno) -> CInt {
        let descriptor = unsafe clinux_signals_open(signals, CInt(signals.count))
        guard descriptor >= 0 else { throw Errno(rawValue: -descriptor) }
        return descriptor
    }

    /// The next pending signal; `nil` when there is none.
    package func take() -> CInt? {
        let signal = clinux_signals_take(descriptor)
        return signal == 0 ? nil : signal
    }
}
