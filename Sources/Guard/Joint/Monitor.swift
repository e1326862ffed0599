internal import CLinux
internal import Glibc

/// A mutex with a condition, which any change of the guarded state signals.
@safe package final class Monitor<State>: @unchecked Sendable {
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    /// - Parameter state: What the mutex guards.
    package init(_ state: State) {
        self.state = state
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        // Neither fails with these arguments (pthread_mutex_init(3p), pthread_cond_init(3p)).
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Reads or changes the state, and wakes every thread that waits in ``wait(until:_:)``.
    @discardableResult
    package func change<Outcome>(_ work: (inout State) -> Outcome) -> Outcome {
        unsafe pthread_mutex_lock(mutex)
        defer {
            unsafe pthread_cond_broadcast(condition)
            unsafe pthread_mutex_unlock(mutex)
        }
        return work(&state)
    }

    /// Reads the state.
    package func read<Outcome>(_ work: (State) -> Outcome) -> Outcome {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return work(state)
    }

    /// Waits until the work returns a value, which may change the state.
    /// - Parameters:
    ///   - deadline: Of ``GuardLoop/now``, in milliseconds; `nil` for none.
    ///   - work: Called with the state after each change, and once more at the deadline.
    /// - Returns: `nil` when the deadline came first.
    package func wait<Outcome>(until deadline: Int64? = nil, _ work: (inout State) -> Outcome?) -> Outcome? {
        wait(until: { _ in deadline }, work)
    }

    /// The same with a deadline that depends on the state.
    package func wait<Outcome>(until deadline: (State) -> Int64?, _ work: (inout State) -> Outcome?) -> Outcome? {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            let time = deadline(state)
            let isOver = time.map { $0 <= GuardLoop.now } ?? false
            if let outcome = work(&state) {
                unsafe pthread_cond_broadcast(condition)
                return outcome
            }
            if isOver { return nil }
            guard let time else {
                unsafe pthread_cond_wait(condition, mutex)
                continue
            }
            var until = timespec()
            until.tv_sec = time_t(time / 1000)
            until.tv_nsec = Int(time % 1000) * 1_000_000
            _ = unsafe pthread_cond_timedwait(condition, mutex, &until)
        }
    }
}
