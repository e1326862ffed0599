internal import Glibc

/// A point in time as people and programs read it.
struct Timestamp {
    private let seconds: time_t

    /// - Parameter seconds: Since 1970-01-01T00:00:00Z.
    init(_ seconds: Int64) {
        self.seconds = time_t(seconds)
    }

    /// For a person, in the machine's time zone: `2026-11-27 17:55`.
    var local: String {
        var seconds = seconds
        var parts = unsafe tm()
        return unsafe localtime_r(&seconds, &parts) == nil ? number : unsafe text("%Y-%m-%d %H:%M", parts)
    }

    /// For a program (RFC 3339): `2026-11-27T17:55:01Z`.
    var utc: String {
        var seconds = seconds
        var parts = unsafe tm()
        return unsafe gmtime_r(&seconds, &parts) == nil ? number : unsafe text("%Y-%m-%dT%H:%M:%SZ", parts)
    }

    /// For a time whose year does not fit in an int.
    private var number: String { "@\(seconds)" }

    private func text(_ format: String, _ parts: tm) -> String {
        var parts = unsafe parts
        return unsafe String(unsafeUninitializedCapacity: 64) { buffer in
            unsafe buffer.withMemoryRebound(to: CChar.self) {
                unsafe strftime($0.baseAddress, $0.count, format, &parts)
            }
        }
    }
}
