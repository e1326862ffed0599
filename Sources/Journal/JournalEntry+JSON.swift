internal import Glibc
internal import JSONFormat

/// A time of CLOCK_REALTIME.
package struct WallClock: Hashable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    package let seconds: Int64
    /// Of the second, 0 to 999.
    package let milliseconds: Int64

    /// A time from its parts.
    package init(seconds: Int64, milliseconds: Int64) {
        self.seconds = seconds
        self.milliseconds = milliseconds
    }

    /// The present time.
    package static var now: WallClock {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallClock(seconds: Int64(time.tv_sec), milliseconds: Int64(time.tv_nsec) / 1_000_000)
    }

    /// RFC 3339, in UTC: `2026-11-27T17:55:01.123Z`.
    package var text: String {
        var time = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe gmtime_r(&time, &parts) != nil else { return "@\(seconds)" }
        let whole = unsafe String(unsafeUninitializedCapacity: 64) { buffer in
            unsafe buffer.withMemoryRebound(to: CChar.self) {
                unsafe strftime($0.baseAddress, $0.count, "%Y-%m-%dT%H:%M:%S", &parts)
            }
        }
        let fraction = String(1000 + milliseconds).dropFirst()
        return "\(whole).\(fraction)Z"
    }
}

extension Priority {
    /// The name of syslog(3), in full.
    var name: String { "\(self)" }
}

extension JournalEntry {
    /// One JSON object without a line feed: `time`, `level` and `message`, and the other fields under the names that they
    /// have in the journal. Of a field that occurs twice the first value is written.
    package func json(at time: WallClock) -> String {
        var members = [
            JSON.Member("time", .string(time.text)), JSON.Member("level", .string(priority.name)),
            JSON.Member("message", .string(fullMessage)),
        ]
        if let id { members.append(JSON.Member(FieldName.messageID.rawValue, .string(id.rawValue))) }
        for field in fields where !members.contains(where: { $0.name == field.name.rawValue }) {
            members.append(JSON.Member(field.name.rawValue, .string(field.value)))
        }
        return JSON.object(members).line
    }
}
