package import SystemPackage

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
    /// One sentence for people, without what stands before it; see ``fullMessage``.
    package var message: String
    /// The other fields. A name may occur twice; the journal keeps both values.
    package var fields: [Field]
    /// What the message is about, a GPU's address; `nil` for none.
    package let subject: String?
    /// Whether the message is a refusal's.
    package let isRefusal: Bool

    /// - Parameters:
    ///   - fields: Those beside `MESSAGE`, `MESSAGE_ID`, `PRIORITY` and `SYSLOG_IDENTIFIER`.
    ///   - subject: What the message is about, a GPU's address.
    package init(
        _ id: MessageID?, _ priority: Priority, _ message: String, _ fields: [Field] = [], about subject: String? = nil,
        isRefusal: Bool = false
    ) {
        self.id = id
        self.priority = priority
        self.message = message
        self.fields = fields
        self.subject = subject
        self.isRefusal = isRefusal
    }

    /// `MESSAGE`: the message behind its subject. The priority is a field of its own.
    package var fullMessage: String {
        (subject.map { "\($0): " } ?? "") + (isRefusal ? MessageKind.refusal.rawValue : "") + message
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
        Self.encode(Field(.message, fullMessage), to: &bytes)
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

    /// The full message, with the priority in angle brackets before each line (sd-daemon(3)). journald and the
    /// kernel's log read the prefix.
    package var prefixedLines: String {
        fullMessage.split(separator: "\n").map { "<\(priority.rawValue)>\($0)\n" }.joined()
    }

    /// The message for a person; see ``MessageKind``.
    package var plainLines: String {
        (isRefusal ? MessageKind.refusal : MessageKind(priority)).lines(message, about: subject)
    }
}

/// How urgent an entry is, with the numbers of syslog(3): the lower, the more urgent.
package enum Priority: Int, Hashable, Sendable, CaseIterable {
    case emergency = 0
    case alert
    case critical
    case error
    case warning
    case notice
    case info
    case debug
}

extension Priority: Comparable {
    /// The smaller priority is the more urgent one, as with the numbers.
    package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
}

/// The name of a field of a journal entry.
package struct FieldName: Hashable, Sendable {
    /// The name as the journal has it: `APERTURED_GPU`.
    package let rawValue: String

    /// `nil` for a name that journald drops. It accepts 1 to 64 characters of A to Z, 0 to 9 and `_`, beginning with a
    /// letter; a leading underscore is reserved for journald's own fields (systemd.journal-fields(7),
    /// `journal_field_valid()`).
    package init?(_ name: some StringProtocol) {
        let letters = UInt8(ascii: "A")...UInt8(ascii: "Z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard (1...64).contains(name.utf8.count), let first = name.utf8.first, letters.contains(first) else {
            return nil
        }
        let isValid = name.utf8.allSatisfy {
            letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "_")
        }
        guard isValid else { return nil }
        rawValue = String(name)
    }

    private init(known name: String) {
        rawValue = name
    }
}

extension FieldName {
    // MARK: - Fields that systemd defines (systemd.journal-fields(7))

    /// The text for people.
    package static let message = FieldName(known: "MESSAGE")
    /// The kind of event, a ``MessageID``: 32 hexadecimal digits.
    package static let messageID = FieldName(known: "MESSAGE_ID")
    /// The ``Priority``, 0 to 7.
    package static let priority = FieldName(known: "PRIORITY")
    /// The program's name.
    package static let syslogIdentifier = FieldName(known: "SYSLOG_IDENTIFIER")
    /// An errno, in decimal.
    package static let errno = FieldName(known: "ERRNO")
    /// The configuration file with the error; systemd uses the same name in its own messages.
    package static let configurationFile = FieldName(known: "CONFIG_FILE")
    /// The line in that file, counted from 1, in decimal.
    package static let configurationLine = FieldName(known: "CONFIG_LINE")

    // MARK: - Fields of apertured

    /// The PCI address of the GPU that the run is about: `0000:01:00.0`.
    package static let gpu = FieldName(known: "APERTURED_GPU")
    /// The action of a plan's step: `unbind-framebuffer`.
    package static let step = FieldName(known: "APERTURED_STEP")
    /// The device of a step or an event, by the kernel's name: `efi-framebuffer.0`, `0000:01:00.1`, `vtcon0`.
    package static let device = FieldName(known: "APERTURED_DEVICE")
    /// The number of a BAR, 0 to 5.
    package static let bar = FieldName(known: "APERTURED_BAR")
    /// The code of a refusal: `no-iommu`.
    package static let code = FieldName(known: "APERTURED_CODE")
    /// The rung of a claim: `rescan`.
    package static let rung = FieldName(known: "APERTURED_RUNG")

    /// Every name above.
    package static let known = [
        message, messageID, priority, syslogIdentifier, errno, configurationFile, configurationLine, gpu, step, device,
        bar, code, rung,
    ]
}

/// A message that could not be handed to the journal or to the service manager.
package struct JournalError: Error, Hashable, Sendable {
    /// What failed, in the words of the error's description.
    package enum Operation: String, Hashable, Sendable {
        case openSocket = "open a socket for"
        case send = "send to"
        case makeFile = "make a file in memory for"
    }

    /// What failed.
    package let operation: Operation
    /// The socket's path, with `@` for the abstract namespace.
    package let path: String
    /// The error of the system call.
    package let errno: Errno

    /// - Parameter path: The socket's, with `@` for the abstract namespace.
    package init(_ operation: Operation, _ path: String, _ errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }
}

extension JournalError: CustomStringConvertible {
    package var description: String { "cannot \(operation.rawValue) \(path): \(errno) (errno \(errno.rawValue))" }
}
