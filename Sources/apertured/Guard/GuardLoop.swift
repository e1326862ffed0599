internal import Glibc
internal import Journal
internal import SystemPackage
internal import Udev

/// Waits for what concerns a guarded card: uevents, signals, the watchdog's time. One task, one poll.
final class GuardLoop {
    enum Occasion {
        /// Something changed that may concern the card.
        case change(areEventsLost: Bool)
        /// SIGHUP.
        case reload
        /// SIGTERM or SIGINT.
        case stop
    }

    private static let subsystems = ["pci", "platform", "graphics", "drm", "vtconsole"]

    private let monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// How often the watchdog wants a sign of life; -1 to sleep until something happens.
    private let interval: Int32

    init(notifier: ServiceNotifier) throws {
        signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        monitor = try UeventMonitor(subsystems: Self.subsystems)
        self.notifier = notifier
        interval = Watchdog()?.intervalMilliseconds ?? -1
    }

    /// The next occasion. Events that came together are one: the machine is read anew either way.
    func next() throws -> Occasion {
        while true {
            // Before each wait: what woke the loop took its time as well.
            if interval > 0 { try notifier.tell(.watchdog) }
            var descriptors = [
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), interval)
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            guard ready > 0 else { continue }
            if let signal = signals.take() { return signal == SIGHUP ? .reload : .stop }
            var count = 0
            let areLost = monitor.drain { _ in count += 1 }
            if count > 0 || areLost { return .change(areEventsLost: areLost) }
        }
    }
}
