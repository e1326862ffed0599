import Aperture
import Foundation
import Guard
import Testing
import Udev

/// A guard's loop on this thread, none of whose waits lasts for ever.
final class GuardedLoop {
    private let loop: GuardLoop
    private let manager: Manager
    /// Which signals were blocked before.
    private let mask: sigset_t

    /// - Parameters:
    ///   - card: The guarded one.
    ///   - testbed: Where its events come from.
    init(_ card: PCIAddress, _ testbed: Testbed) throws {
        var mask = sigset_t()
        unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
        self.mask = mask
        manager = try Manager()
        loop = try GuardLoop(
            card: card, notifier: manager.notifier, watchdog: manager.watchdog,
            monitor: UeventMonitor(descriptor: testbed.listener))
    }

    deinit {
        // One that is still pending would end the process as soon as it is let through.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for signal in [SIGHUP, SIGINT, SIGTERM] { unsafe sigaddset(&signals, signal) }
        var none = timespec()
        while unsafe sigtimedwait(&signals, nil, &none) > 0 {}
        var mask = mask
        unsafe pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    func next() throws -> Wakeup {
        let deadline = Deadline(for: manager)
        let wakeup = Result { try loop.next() }
        if deadline.end() { Issue.record("The guard was not woken.") }
        return try wakeup.get()
    }

    /// The next wakeup, where none is due before `action`: that is done when the guard has waited in vain.
    func next(afterSilence action: @escaping @Sendable () throws -> Void) throws -> Wakeup {
        manager.forget()
        let done = DispatchSemaphore(value: 0)
        DispatchQueue.global().async { [manager] in
            // The second comes when the first wait is over; without it the guard is awake, and its wakeup says why.
            _ = manager.awaitSign() && manager.awaitSign()
            #expect(throws: Never.self) { try action() }
            done.signal()
        }
        defer { done.wait() }
        return try next()
    }

    /// How many signs of life it gave so far.
    var signs: Int { manager.count }

    func lookAgain(afterMilliseconds milliseconds: Int64) { loop.lookAgain(afterMilliseconds: milliseconds) }
}
