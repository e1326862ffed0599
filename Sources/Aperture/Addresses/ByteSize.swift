/// A size for a person: in the largest unit that gives at least 1, cut after one decimal, such as `3.9 MiB`.
package struct ByteSize: Hashable, Sendable, CustomStringConvertible {
    /// The number of bytes.
    package let bytes: UInt128

    /// So many bytes.
    package init(_ bytes: UInt128) {
        self.bytes = bytes
    }

    /// `16 MiB`, `3.9 MiB`, `512 B`.
    package var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var unit = 0
        var scale: UInt128 = 1
        while unit < units.count - 1, bytes >= scale * 1024 {
            scale *= 1024
            unit += 1
        }
        let tenths = bytes * 10 / scale % 10
        return "\(bytes / scale)" + (tenths == 0 ? "" : ".\(tenths)") + " \(units[unit])"
    }
}
