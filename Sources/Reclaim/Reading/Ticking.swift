internal import CLinux

/// Passes a closure to C for the duration of the work; see clinux_tick.h.
func withTick<Outcome>(_ tick: @escaping () -> Bool, _ work: (clinux_tick) -> Outcome) -> Outcome {
    var tick = tick
    return unsafe withUnsafeMutablePointer(to: &tick) { pointer in
        unsafe work(
            clinux_tick(
                function: { context in unsafe context?.assumingMemoryBound(to: (() -> Bool).self).pointee() ?? true },
                context: pointer))
    }
}
