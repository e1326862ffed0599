#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The processor time of this process, in nanoseconds: other work on the machine does not count, as it would by a clock.
func cpuTime(of body: () throws -> Void) rethrows -> Double {
    let begin = now()
    try body()
    return now() - begin
}

private func now() -> Double {
    var time = timespec()
    let status = unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    precondition(status == 0, "no processor clock")
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

extension [Double] {
    /// The upper one of two; 0 of none.
    var median: Double { isEmpty ? 0 : sorted()[count / 2] }
}
