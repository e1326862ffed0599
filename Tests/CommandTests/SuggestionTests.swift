import Testing
import apertured

@Suite("A misspelled verb")
struct SuggestionTests {
    private static let verbs = ["status", "plan", "claim", "verify", "release", "recover", "guard", "log", "help"]

    @Test(
        "The nearest verb is suggested",
        arguments: [
            ("stauts", "status"), ("statu", "status"), ("plna", "plan"), ("claime", "claim"), ("relaese", "release"),
            ("recovr", "recover"), ("verfy", "verify"), ("gaurd", "guard"), ("lgo", "log"),
        ])
    func near(_ word: String, _ verb: String) {
        #expect(Suggestion.nearest(to: word, among: Self.verbs) == verb)
    }

    @Test(
        "What is near to no verb, or to two, suggests none", arguments: ["", "x", "bind", "unbind", "--json", "glam"])
    func far(_ word: String) {
        #expect(Suggestion.nearest(to: word, among: Self.verbs) == nil)
        #expect(Suggestion.nearest(to: "ab", among: ["aba", "abb"]) == nil)
    }

    @Test("The program says so, beside the parser's error")
    func program() throws {
        let result = try CommandLine.run("stauts")
        #expect(result.status == 2)
        #expect(result.errors.contains("Unexpected argument 'stauts'"))
        #expect(result.errors.hasSuffix("Did you mean 'apertured status'?\n"))
        #expect(!(try CommandLine.run("status", "gpu").errors.contains("Did you mean")))
    }
}
