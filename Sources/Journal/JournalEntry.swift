/// One entry of the journal.
package struct JournalEntry: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        package let name: FieldName
        package let value: String

        package init(_ name: FieldName, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What `SYSLOG_IDENTIFIER` says.
    package static let identifier = "apertured"

    /// The kind of event; `nil` for a message that no one needs to look for.
    package var id: MessageID?
    package var priority: Priority
    /// One sentence for people.
    package var message: String
    /// The rest. A name may stand there twice: the journal keeps both values.
    package var fields: [Field]

    package init(_ id: MessageID?, _ priority: Priority, _ message: String, _ fields: [Field] = []) {
        self.id = id
        self.priority = priority
        self.message = message
        self.fields = fields
    }

    /// The fields that the catalog's text for this kind of event names, and that this entry lacks.
    package var missingFields: [FieldName] {
        (id?.fields ?? []).filter { name in !fields.contains { $0.name == name } }
    }

    // MARK: - The native protocol

    /// The entry as the journal takes it (systemd.io, "Journal Native Protocol"): `NAME=value` and a line feed for each
    /// field, or, where the value holds a line feed, `NAME`, a line feed, the value's length in bytes as 64 bits,
    /// little endian, the value, and a line feed.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        Self.encode(Field(.message, message), to: &bytes)
        if let id { Self.encode(Field(.messageID, id.rawValue), to: &bytes) }
        Self.encode(Field(.priority, "\(priority.rawValue)"), to: &bytes)
        Self.encode(Field(.syslogIdentifier, Self.identifier), to: &bytes)
        for field in fields { Self.encode(field, to: &bytes) }
        return bytes
    }

    private static func encode(_ field: Field, to bytes: inout [UInt8]) {
        let lineFeed = UInt8(ascii: "\n")
        bytes += field.name.rawValue.utf8
        if field.value.utf8.contains(lineFeed) {
            let count = UInt64(field.value.utf8.count)
            bytes.append(lineFeed)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += field.value.utf8
        bytes.append(lineFeed)
    }

    // MARK: - Lines

    /// The message alone, each of its lines begun with the priority in angle brackets (sd-daemon(3)), which journald
    /// and the kernel's log take from it.
    package var prefixedLines: String {
        lines { "<\(priority.rawValue)>\($0)" }
    }

    /// The message alone, for a person.
    package var plainLines: String {
        lines { "\(Self.identifier): \(priority.label)\($0)" }
    }

    private func lines(_ format: (Substring) -> String) -> String {
        message.split(separator: "\n", omittingEmptySubsequences: true).map { "\(format($0))\n" }.joined()
    }
}
