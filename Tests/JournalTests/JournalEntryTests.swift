import Journal
import Testing

struct JournalEntryTests {
    @Test func `an entry is its message, its kind, its priority, who says it, and its fields`() throws {
        let entry = JournalEntry(
            .stepIntended, .info, "about to unbind", [.init(.gpu, "0000:01:00.0"), .init(.step, "unbind-framebuffer")])
        let expected = """
            MESSAGE=about to unbind
            MESSAGE_ID=86fcd048b9f143a6879c4442c0c28974
            PRIORITY=6
            SYSLOG_IDENTIFIER=apertured
            APERTURED_GPU=0000:01:00.0
            APERTURED_STEP=unbind-framebuffer

            """
        #expect(String(decoding: entry.encoded, as: UTF8.self) == expected)
    }

    @Test func `an entry without a kind has no message ID`() throws {
        let entry = try EncodedEntry(JournalEntry(nil, .debug, "x").encoded)
        #expect(entry.fields.map(\.name) == ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"])
    }

    @Test func `a value with a line feed carries its length, 64 bits, little endian`() {
        let bytes = JournalEntry(nil, .error, "a\nbc").encoded
        let expected: [UInt8] =
            Array("MESSAGE\n".utf8) + [4, 0, 0, 0, 0, 0, 0, 0] + Array("a\nbc\nPRIORITY=3\n".utf8)
        #expect(bytes.starts(with: expected))
    }

    @Test(arguments: [
        "", "x", "=", "a=b", "\n", "\n\n", "a\n", "MESSAGE=forged\nPRIORITY=0\n", "\0", "ü → €",
        String(repeating: "long line\n", count: 10_000),
    ])
    func `any value comes back as it was, and forges no field`(value: String) throws {
        let entry = try EncodedEntry(JournalEntry(.claimFailed, .error, value, [.init(.device, value)]).encoded)
        #expect(entry["MESSAGE"] == [value])
        #expect(entry["APERTURED_DEVICE"] == [value])
        #expect(entry["PRIORITY"] == ["3"])
        #expect(entry.fields.count == 5)
    }

    @Test func `a field may have several values`() throws {
        let entry = try EncodedEntry(JournalEntry(nil, .info, "x", [.init(.bar, "0"), .init(.bar, "2")]).encoded)
        #expect(entry["APERTURED_BAR"] == ["0", "2"])
    }

    @Test func `a line for systemd begins with the priority, every line of it`() {
        #expect(JournalEntry(nil, .warning, "one\ntwo\n").prefixedLines == "<4>one\n<4>two\n")
    }

    @Test func `a line for a person says who, and how bad only where it is`() {
        #expect(JournalEntry(nil, .error, "one\ntwo").plainLines == "apertured: error: one\napertured: error: two\n")
        #expect(JournalEntry(nil, .warning, "x").plainLines == "apertured: warning: x\n")
        #expect(JournalEntry(nil, .info, "x").plainLines == "apertured: x\n")
        #expect(JournalEntry(nil, .debug, "x", about: "g").plainLines == "apertured: g: debug: x\n")
        let refusal = JournalEntry(nil, .error, "one\ntwo", about: "g", isRefusal: true)
        #expect(refusal.plainLines == "apertured: g: refused: one\napertured: g: refused: two\n")
        #expect(refusal.fullMessage == "g: refused: one\ntwo")
    }

    @Test func `an entry knows which of its kind's fields it lacks`() {
        var entry = JournalEntry(.stepIntended, .info, "x", [.init(.gpu, "0000:01:00.0")])
        #expect(entry.missingFields == [.step, .device])
        entry.id = nil
        #expect(entry.missingFields.isEmpty)
    }

    @Test func `every field name of ours is one that journald takes, and none is there twice`() {
        for name in FieldName.known { #expect(FieldName(name.rawValue) == name) }
        #expect(Set(FieldName.known).count == FieldName.known.count)
    }

    @Test(arguments: [
        "", "_PID", "1A", "a", "APERTURED_gpu", "A B", "A-B", "A=B", "A\nB", "Ä", String(repeating: "A", count: 65),
    ])
    func `a name that journald drops is no field name`(name: String) {
        #expect(FieldName(name) == nil)
    }

    @Test func `as JSON an entry is one line, with the time, the level, the whole message and the journal's fields`() {
        let entry = JournalEntry(
            .claimRefused, .error, "no \"room\"\nat all", [.init(.gpu, "0000:01:00.0"), .init(.code, "locked")],
            about: "0000:01:00.0", isRefusal: true)
        let line = entry.json(at: WallClock(seconds: 1_790_000_000, milliseconds: 7))
        #expect(
            line == #"{"time": "2026-09-21T14:13:20.007Z","level": "error","#
                + #""message": "0000:01:00.0: refused: no \"room\"\nat all","#
                + #""MESSAGE_ID": "\#(MessageID.claimRefused.rawValue)","APERTURED_GPU": "0000:01:00.0","#
                + #""APERTURED_CODE": "locked"}"#)
    }
}
