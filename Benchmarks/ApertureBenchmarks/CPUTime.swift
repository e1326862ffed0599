#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The CPU time that the body takes in this process, in nanoseconds. Unlike a clock it leaves out other work on the
/// machine.
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
    /// The median; the upper one of two middle values; 0 for an empty array.
    var median: Double { isEmpty ? 0 : sorted()[count / 2] }
}
