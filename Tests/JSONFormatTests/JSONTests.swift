import JSONFormat
import Testing

@Suite("JSON")
struct JSONTests {
    @Test("What is written reads as the same value")
    func roundTrip() throws {
        let value = JSON.object([
            "text": .string("a \"b\" \\ \n\t\u{1} ü 🖥"), "none": .null, "yes": .bool(true), "number": .number(-42),
            "list": .array([.array([]), .object([:]), .number(.max)]),
        ])
        #expect(try JSONParser.parse(Array(value.text.utf8)) == value)
        #expect(try JSONParser.parse(Array(value.line.utf8)) == value)
        #expect(!value.line.contains("\n"))
    }

    @Test(
        "What is no JSON is refused, with the place",
        arguments: [
            "", "{", "[1,]", "{\"a\" 1}", "{\"a\":1,\"a\":2}", "\"\\x\"", "\"\\ud800\"", "tru", "1.5", "-", "[1] 2",
            "\"\u{1}\"", String(repeating: "[", count: 100_000), "99999999999999999999",
        ])
    func malformed(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(Array(text.utf8)) }
    }
}
