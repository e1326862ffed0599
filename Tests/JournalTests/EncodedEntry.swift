import Testing

/// A journal entry, read back from the native protocol as journald would.
struct EncodedEntry {
    var fields: [(name: String, value: String)] = []

    init(_ bytes: [UInt8]) throws {
        let lineFeed = UInt8(ascii: "\n")
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != lineFeed }
            let name = line.prefix { $0 != UInt8(ascii: "=") }
            let value: ArraySlice<UInt8>
            rest = rest[line.endIndex...].dropFirst()
            if name.count < line.count {
                value = line[name.endIndex...].dropFirst()
            } else {
                try #require(rest.count >= 8)
                let count = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                rest = rest.dropFirst(8)
                try #require(rest.count > Int(count))
                value = rest.prefix(Int(count))
                rest = rest.dropFirst(Int(count))
                try #require(rest.first == lineFeed)
                rest = rest.dropFirst()
            }
            fields.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
    }

    /// The values of a field.
    subscript(name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
}
