internal import Aperture
internal import Glibc
internal import Journal
internal import SystemPackage
internal import Udev

/// Waits for what concerns a guarded card: uevents, signals, the watchdog's time. One task, one poll.
final class GuardLoop {
    enum Occasion {
        /// Something changed that may concern the card.
        case change(areEventsLost: Bool)
        /// The card was removed. It may be back already, but that is another device.
        case removed
        /// SIGHUP.
        case reload
        /// SIGTERM or SIGINT.
        case stop
    }

    private static let subsystems = ["pci", "platform", "graphics", "drm", "vtconsole"]

    private let address: PCIAddress
    private let monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// How often the watchdog wants a sign of life; -1 to sleep until something happens.
    private let interval: Int32

    init(_ address: PCIAddress, notifier: ServiceNotifier) throws {
        self.address = address
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
            var isRemoved = false
            let name = address.description
            let areLost = monitor.drain { event in
                count += 1
                if event.subsystem == "pci", event.name == name, event.action == "remove" { isRemoved = true }
            }
            if isRemoved { return .removed }
            if count > 0 || areLost { return .change(areEventsLost: areLost) }
        }
    }

    /// Forgets the events that a claim of our own made: its rescan removes the card as well. Whatever else they were about
    /// is in the state that is read after this.
    func forgetEvents() {
        _ = monitor.drain { _ in }
    }
}
