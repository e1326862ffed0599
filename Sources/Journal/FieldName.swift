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
