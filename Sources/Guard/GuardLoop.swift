package import Aperture
internal import Glibc
package import Journal
internal import SystemPackage
internal import Udev

/// Waits for what concerns a guarded card: uevents, signals, the watchdog's time. One task, one poll.
package final class GuardLoop {
    private static let subsystems = ["pci", "platform", "graphics", "drm", "vtconsole"]

    private let address: PCIAddress
    private let monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifier: ServiceNotifier
    /// How often the watchdog wants a sign of life; -1 to sleep until something happens.
    private let interval: Int32

    /// Listens from now on. The signals are blocked in this thread and those it starts later.
    package init(
        _ address: PCIAddress, notifier: ServiceNotifier, watchdog: Watchdog? = Watchdog()
    ) throws {
        self.address = address
        signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
        monitor = try UeventMonitor(subsystems: Self.subsystems)
        self.notifier = notifier
        interval = watchdog?.intervalMilliseconds ?? -1
    }

    /// The next occasion. Events that came together are one: the machine is read anew either way.
    package func next() throws -> Occasion {
        while true {
            // Before each wait: what woke the loop took its time as well.
            if interval > 0 { giveSign() }
            var descriptors = [
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: monitor.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), interval)
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            guard ready > 0 else { continue }
            if let signal = signals.take() { return signal == SIGHUP ? .reload : .stop }
            var digest = UeventDigest(of: address)
            if monitor.drain({ digest.note($0) }) { digest.noteLoss() }
            if let occasion = digest.occasion { return occasion }
        }
    }

    /// A manager that does not take one, because it is busy or starts anew, gets the next; one that misses too many ends
    /// the guard itself.
    private func giveSign() {
        do {
            try notifier.tell(.watchdog)
        } catch {
            return
        }
    }

    /// Forgets the events that a claim of our own made: its rescan removes the card as well. Whatever else they were about
    /// is in the state that is read after this.
    package func forgetEvents() {
        _ = monitor.drain { _ in }
    }
}
