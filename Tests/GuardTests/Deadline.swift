import Foundation
import Synchronization

/// Ends a wait of this thread that would last for ever: SIGTERM, to this thread alone, after ten seconds.
final class Deadline: Sendable {
    private let isOver = DispatchSemaphore(value: 0)
    private let isSettled = DispatchSemaphore(value: 0)
    private let hasPassed = Mutex(false)

    /// - Parameter manager: Is kept from being full of signs of life meanwhile: that would end the wait as an error.
    init(for manager: Manager) {
        let thread = pthread_self()
        DispatchQueue.global().async { [self] in
            var slices = 0
            while isOver.wait(timeout: .now() + 0.1) == .timedOut {
                manager.forget()
                slices += 1
                guard slices == 100 else { continue }
                hasPassed.withLock { $0 = true }
                pthread_kill(thread, SIGTERM)
            }
            isSettled.signal()
        }
    }

    /// The wait is over.
    /// - Returns: Whether the deadline ended it.
    func end() -> Bool {
        isOver.signal()
        isSettled.wait()
        return hasPassed.withLock { $0 }
    }
}
