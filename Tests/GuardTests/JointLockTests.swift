import Foundation
import Reclaim
import Synchronization
import Testing

@testable import Guard

struct JointLockTests {
    /// Does the work in a thread of its own, inside the lock.
    private func start(
        _ lock: JointLock, alone: Bool, within milliseconds: Int32, _ work: @escaping @Sendable () -> Void,
        failed: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> DispatchSemaphore {
        let done = DispatchSemaphore(value: 0)
        try WorkerThread.start {
            do throws(ReclaimError) {
                try lock.locked(
                    alone: alone, within: milliseconds, unless: { nil },
                    take: { () throws(ReclaimError) -> AnyObject in NSObject() }, { () throws(ReclaimError) in work() })
            } catch {
                failed("\(error)")
            }
            done.signal()
        }
        return done
    }

    @Test("Each card that is alone has all of the time: those behind it do not give up together")
    func deadlines() throws {
        let lock = JointLock()
        let failures = Mutex<[String]>([])
        // Six of 100 milliseconds each, one after another, and none waits longer than 300 for one of them.
        let threads = try (0..<6).map { _ in
            try start(
                lock, alone: true, within: 300, { usleep(100_000) },
                failed: { text in failures.withLock { $0.append(text) } })
        }
        for thread in threads { #expect(thread.wait(timeout: .now() + 10) == .success) }
        #expect(failures.withLock(\.self).isEmpty)
    }

    @Test("A card that has to be alone is not kept waiting by others that keep coming")
    func comesIn() throws {
        let lock = JointLock()
        let isOver = Atomic(false)
        let failures = Mutex<[String]>([])
        // Two others that overlap each other all the time.
        let others = try (0..<2).map { number in
            let done = DispatchSemaphore(value: 0)
            try WorkerThread.start {
                usleep(number == 0 ? 0 : 20_000)
                while !isOver.load(ordering: .relaxed) {
                    do throws(ReclaimError) {
                        try lock.locked(
                            alone: false, within: 5000, unless: { nil },
                            take: { () throws(ReclaimError) -> AnyObject in NSObject() },
                            { () throws(ReclaimError) in _ = usleep(40_000) })
                    } catch {
                        failures.withLock { $0.append("\(error)") }
                    }
                }
                done.signal()
            }
            return done
        }
        usleep(100_000)
        let wasAlone = Mutex(false)
        let alone = try start(
            lock, alone: true, within: 5000, { wasAlone.withLock { $0 = true } },
            failed: { text in failures.withLock { $0.append(text) } })
        #expect(alone.wait(timeout: .now() + 2) == .success)
        #expect(wasAlone.withLock { $0 })
        isOver.store(true, ordering: .relaxed)
        for other in others { #expect(other.wait(timeout: .now() + 10) == .success) }
        #expect(failures.withLock(\.self).isEmpty)
    }
}
