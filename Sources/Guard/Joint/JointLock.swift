internal import Aperture
internal import Reclaim
internal import Record

/// The lock of the records, taken by one process for several of its cards' threads.
///
/// The kernel's lock is the process's own, and does not tell threads apart. So the first thread takes it, and the last
/// one lets it go. Cards whose steps touch nothing of each other's change the machine at the same time. A card whose
/// claim reaches farther (a rescan of its bus, a service that is stopped, a driver's module) is alone meanwhile.
package final class JointLock: Sendable {
    private struct State {
        var together = 0
        var isAlone = false
        var isTaking = false
        /// How many threads wait to be alone. Meanwhile no other goes in, so that the last one inside is followed by them.
        var waitingAlone = 0
        /// How often a thread has come out.
        var exits = 0
        /// What holds the kernel's lock, while it exists.
        var hold: AnyObject?
    }

    private enum Entry {
        case inside
        /// This thread is the first, and takes the kernel's lock.
        case first
    }

    private let state = Monitor(State())
    /// How long one wait lasts before a signal is looked for, in milliseconds.
    private static let slice: Int64 = 200

    /// A lock that nobody holds.
    package init() {}

    /// Does the work inside the lock.
    /// - Parameters:
    ///   - alone: Whether no other thread may be inside meanwhile.
    ///   - milliseconds: How long to wait for threads of this process that exclude this one: from the last time that one
    ///     of them came out, as each of them has all of the time.
    ///   - interruption: Called during that wait: a signal's name ends it.
    ///   - take: Takes the kernel's lock, and returns what holds it.
    func locked<Outcome>(
        alone: Bool, within milliseconds: Int32, unless interruption: () -> String?,
        take: () throws(ReclaimError) -> AnyObject, _ work: () throws(ReclaimError) -> Outcome
    ) throws(ReclaimError) -> Outcome {
        if try enter(alone: alone, within: milliseconds, interruption) == .first { try begin(alone: alone, take) }
        let outcome = Result(catching: work)
        state.change { state in
            if alone { state.isAlone = false } else { state.together -= 1 }
            state.exits += 1
            if !state.isAlone, state.together == 0 { state.hold = nil }
        }
        return try outcome.get()
    }

    private func enter(
        alone: Bool, within milliseconds: Int32, _ interruption: () -> String?
    ) throws(ReclaimError) -> Entry {
        var deadline = GuardLoop.now + Int64(milliseconds)
        var exits = state.change { state in
            if alone { state.waitingAlone += 1 }
            return state.exits
        }
        defer { if alone { state.change { $0.waitingAlone -= 1 } } }
        while true {
            let entry = state.wait(until: min(deadline, GuardLoop.now + Self.slice)) { state -> Entry? in
                if state.exits != exits { (exits, deadline) = (state.exits, GuardLoop.now + Int64(milliseconds)) }
                guard !state.isAlone, !state.isTaking, alone ? state.together == 0 : state.waitingAlone == 0 else {
                    return nil
                }
                if state.hold == nil {
                    state.isTaking = true
                    return .first
                }
                if alone { state.isAlone = true } else { state.together += 1 }
                return .inside
            }
            if let entry { return entry }
            if let signal = interruption() {
                throw .record(.interrupted(by: signal, holder: "another card of this guard"))
            }
            if deadline <= GuardLoop.now { throw .record(.locked(by: "another card of this guard")) }
        }
    }

    private func begin(alone: Bool, _ take: () throws(ReclaimError) -> AnyObject) throws(ReclaimError) {
        let hold: AnyObject
        do throws(ReclaimError) {
            hold = try take()
        } catch {
            state.change { $0.isTaking = false }
            throw error
        }
        state.change { state in
            state.isTaking = false
            state.hold = hold
            if alone { state.isAlone = true } else { state.together += 1 }
        }
    }
}
