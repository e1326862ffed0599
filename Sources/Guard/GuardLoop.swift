package import Aperture
internal import Glibc
package import Journal
internal import SystemPackage
package import Udev

/// Waits for what concerns a guarded card: uevents, signals, the watchdog's time. One task, one poll.
///
/// Whoever makes events makes work for it, and anyone with a device to plug in does. So it takes so many in a turn, rests
/// between two turns, and lets no look at the machine follow the last one at once. A signal waits for none of that.
package final class GuardLoop: WakeupSource {
    /// How many events a turn takes at the most.
    private static let mostEvents = 256
    /// How long no event is taken after a turn, in milliseconds: those that come meanwhile are one turn.
    private static let rest: Int64 = 20
    /// How many times as long as it took there is no other look after one.
    private static let idleShare: Int64 = 20
    /// In milliseconds: no longer than that, and so long after lost events.
    private static let longestIdle: Int64 = 1000
    /// How long it is not told again that events are lost, in milliseconds.
    private static let silence: Int64 = 60_000

    private let card: PCIAddress
    private var monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// How often the watchdog wants a sign of life, in milliseconds; `nil` for never.
    private let interval: Int64?
    private var haveEventsCome = false
    private var areEventsLost = false

    // What follows are times of CLOCK_MONOTONIC, in milliseconds.

    /// When to look again, with or without an event.
    private var due: Int64?
    /// When the last look began, and from when on there may be another.
    private var lookBegan: Int64?
    private var nextLook: Int64 = 0
    /// Until when no event is taken.
    private var restsUntil: Int64 = 0
    private var nextSign: Int64 = 0
    private var lossTold: Int64?

    /// Listens from now on. The signals are blocked in this thread and those it starts later.
    /// - Parameter monitor: Another one than the kernel's, for a test.
    package init(
        card: PCIAddress, notifier: ServiceNotifier, watchdog: Watchdog? = Watchdog(),
        monitor: consuming UeventMonitor? = nil
    ) throws {
        self.card = card
        signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        self.monitor = if let monitor { monitor } else { try UeventMonitor() }
        self.notifier = notifier
        interval = watchdog.map { Int64($0.intervalMilliseconds) }
    }

    /// The next wake-up. Events that came together are one, and what they say does not matter: the machine is read anew,
    /// which is right after lost events as well.
    package func next() throws -> Wakeup {
        endLook()
        while true {
            notifyWatchdog()
            let now = Self.now
            let mayTake = restsUntil <= now
            var descriptors = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
            if mayTake { descriptors.append(pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0)) }
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), timeout(now, mayTake))
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            if let signal = signals.take() { return signal == SIGHUP ? .reload : .stop }
            if ready > 0, mayTake { try takeEvents() }
            if let wakeup = dueWakeup() { return wakeup }
        }
    }

    /// Makes a ``Wakeup/change(areEventsLost:)`` of the time. Events that come until then are part of it: what was seen
    /// is in motion, and its end is worth a look, not each step.
    package func lookAgain(afterMilliseconds milliseconds: Int64) {
        due = Self.now + milliseconds
    }

    /// Tells the watchdog that the guard lives, if there is one and it is time to. For what takes long between two waits.
    ///
    /// A manager that does not take it, because it is busy or starts anew, gets the next; one that misses too many ends
    /// the guard itself.
    package func notifyWatchdog() {
        guard let interval, nextSign <= Self.now else { return }
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
            nextLook = max(nextLook, Self.now + Self.longestIdle)
        }
        restsUntil = Self.now + Self.rest
    }

    /// Whether the event can tell of a framebuffer or a driver over the card: something happened to one of the slot's
    /// functions, to a framebuffer, or to a console.
    private static func concerns(_ card: PCIAddress, _ event: Uevent) -> Bool {
        switch event.subsystem {
        case "pci": PCIAddress(event.name).map(card.sharesSlot) ?? false
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
            guard haveEventsCome || areEventsLost, nextLook <= now else { return nil }
        }
        var isToTell = areEventsLost
        if areEventsLost {
            isToTell = lossTold.map { $0 + Self.silence <= now } ?? true
            lossTold = now
        }
        (due, haveEventsCome, areEventsLost, lookBegan) = (nil, false, false, now)
        return .change(areEventsLost: isToTell)
    }

    /// Events that come while the machine is read, or right after, are looked after when it has had some peace.
    private func endLook() {
        guard let began = lookBegan else { return }
        let now = Self.now
        nextLook = now + min((now - began) * Self.idleShare, Self.longestIdle)
        lookBegan = nil
    }

    // MARK: - Time

    /// For poll(2): until the next thing that is due without an event; -1 for nothing.
    private func timeout(_ now: Int64, _ mayTake: Bool) -> Int32 {
        var next: Int64?
        func wake(at time: Int64) { next = min(next ?? time, time) }
        if interval != nil { wake(at: nextSign) }
        if let due { wake(at: due) } else if haveEventsCome || areEventsLost { wake(at: nextLook) }
        if !mayTake { wake(at: restsUntil) }
        return next.map { Int32(clamping: max(0, $0 - now)) } ?? -1
    }

    private static var now: Int64 { milliseconds() }

    /// CLOCK_MONOTONIC, in milliseconds.
    package static func milliseconds() -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
