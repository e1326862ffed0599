/// One entry of the journal.
package struct JournalEntry: Hashable, Sendable {
    /// One field of an entry.
    package struct Field: Hashable, Sendable {
        /// The field's name.
        package let name: FieldName
        /// The field's text, which may have several lines.
        package let value: String

        /// A field from its name and its text.
        package init(_ name: FieldName, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The value of `SYSLOG_IDENTIFIER`.
    package static let identifier = "apertured"

    /// The kind of event; `nil` for a message that nobody needs to search for.
    package var id: MessageID?
    /// How urgent the entry is.
    package var priority: Priority
    /// One sentence for people.
    package var message: String
    /// The other fields. A name may occur twice; the journal keeps both values.
    package var fields: [Field]

    /// - Parameter fields: Those beside `MESSAGE`, `MESSAGE_ID`, `PRIORITY` and `SYSLOG_IDENTIFIER`.
    package init(_ id: MessageID?, _ priority: Priority, _ message: String, _ fields: [Field] = []) {
        self.id = id
        self.priority = priority
        self.message = message
        self.fields = fields
    }

    /// The fields that the catalog's text for this kind of event uses and that this entry lacks.
    package var missingFields: [FieldName] {
        (id?.fields ?? []).filter { name in !fields.contains { $0.name == name } }
    }

    // MARK: - The native protocol

    /// The entry in the form that journald accepts (systemd.io, "Journal Native Protocol"): `NAME=value` and a line
    /// feed for each field. If the value contains a line feed: `NAME`, a line feed, the value's length in bytes as 64
    /// bits in little-endian order, the value, and a line feed.
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

    /// The message alone, with the priority in angle brackets before each line (sd-daemon(3)). journald and the
    /// kernel's log read the prefix.
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
