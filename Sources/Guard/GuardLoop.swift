internal import Glibc
package import Journal
internal import SystemPackage
internal import Udev

/// Waits for what concerns a guarded card: uevents, signals, the watchdog's time. One task, one poll.
package final class GuardLoop {
    private static let subsystems = ["pci", "platform", "graphics", "drm", "vtconsole"]

    private let monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// How often the watchdog wants a sign of life; -1 to sleep until something happens.
    private let interval: Int32
    /// When to look again, with or without an event, in milliseconds of CLOCK_MONOTONIC.
    private var due: Int64?
    private var haveEventsCome = false
    private var areEventsLost = false

    /// Listens from now on. The signals are blocked in this thread and those it starts later.
    package init(notifier: ServiceNotifier, watchdog: Watchdog? = Watchdog()) throws {
        signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        monitor = try UeventMonitor(subsystems: Self.subsystems)
        self.notifier = notifier
        interval = watchdog?.intervalMilliseconds ?? -1
    }

    /// The next occasion. Events that came together are one, and what they say does not matter: the machine is read anew,
    /// which is right after lost events as well.
    package func next() throws -> Occasion {
        while true {
            // Before each wait: what woke the loop took its time as well.
            giveSign()
            var descriptors = [
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), patience)
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            if ready > 0 {
                if let signal = signals.take() { return signal == SIGHUP ? .reload : .stop }
                if monitor.drain({ _ in haveEventsCome = true }) { areEventsLost = true }
            }
            let isDue = due.map { $0 <= Self.now } ?? (haveEventsCome || areEventsLost)
            if isDue {
                defer { (due, haveEventsCome, areEventsLost) = (nil, false, false) }
                return .change(areEventsLost: areEventsLost)
            }
        }
    }

    /// Makes a ``Occasion/change(areEventsLost:)`` of the time. Events that come until then are part of it: what was seen
    /// is in motion, and its end is worth a look, not each step.
    package func lookAgain(afterMilliseconds milliseconds: Int64) {
        due = Self.now + milliseconds
    }

    /// Tells the watchdog, if there is one, that the guard lives. For what takes long between two waits.
    ///
    /// A manager that does not take it, because it is busy or starts anew, gets the next; one that misses too many ends
    /// the guard itself.
    package func giveSign() {
        guard interval > 0 else { return }
        do {
            try notifier.tell(.watchdog)
        } catch {
            return
        }
    }

    /// For poll(2): until the watchdog or a second look is due.
    private var patience: Int32 {
        guard let due else { return interval }
        let left = Int32(clamping: max(0, due - Self.now))
        return interval < 0 ? left : min(left, interval)
    }

    private static var now: Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
