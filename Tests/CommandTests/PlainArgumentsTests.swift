import Testing
import apertured

/// What is read without the parser means what the parser makes of it.
struct PlainArgumentsTests {
    private static let gpu = "0000:01:00.0"

    /// Each verb's words, of which a command line takes any.
    private static let words: [String: [[String]]] = [
        "status": [[gpu], ["02:00.0"], ["--verbose"], ["--map"], ["--json"], ["--root", "/"]],
        "plan": [
            ["--residue", "rescan"], ["--only-function"], ["--whole-slot"], ["--force"], ["--unload"], ["--json"],
        ],
        "claim": [
            ["--dry-run"], ["--no-verify"], ["--wait", "0"], ["--quiet"], ["--verbose"], ["--residue", "refuse"],
            ["--lock-wait", "3"],
            ["--write-deadline", "7"], ["--json"],
        ],
        "release": [
            ["--keep"], ["--only-when-running"], ["--force"], ["--quiet"], ["--verbose"], ["--json"],
            ["--lock-wait", "30"],
        ],
        "guard": [
            ["--verbose"], ["--lock-wait", "30"], ["--write-deadline", "1"], ["--root", "/"], ["--on-stop", "keep"],
            ["02:00.0"],
        ],
        "post-stop": [["--lock-wait", "30"], ["--write-deadline", "3600"]],
        "vfio-driver": [["--load"], ["--root", "/"]],
        "complete": [["--root", "/"]],
    ]

    /// None, each, every two and all of a verb's words, with the address first and last.
    private static var lines: [[String]] {
        words.flatMap { verb, words -> [[String]] in
            let all = (1 << words.count) - 1
            let choices = (0...all).filter { $0.nonzeroBitCount <= 2 || $0 == all }.map { choice in
                words.indices.filter { choice >> $0 & 1 == 1 }.flatMap { words[$0] }
            }
            if verb == "status" { return choices.map { ["status"] + $0 } }
            let word = verb == "complete" ? "gpus" : gpu
            return choices.flatMap { [[verb, word] + $0, [verb] + $0 + [word]] }
        }
    }

    @Test func `plain arguments mean what the parser makes of them`() throws {
        var read = 0
        for line in Self.lines {
            guard let verb = PlainArguments(line).verb() else {
                // `--only-function --whole-slot` and `--quiet --verbose` are errors, and those are the parser's to say.
                #expect(throws: (any Error).self, "\(line)") { try Apertured.verb(line) }
                continue
            }
            read += 1
            #expect("\(verb)" == "\(try #require(try Apertured.verb(line)))", "\(line)")
        }
        #expect(read > 150)
    }

    @Test(arguments: [
        [], ["plan"], ["plan", gpu, gpu], ["plan", "gpu"], ["plan", "--json=yes", gpu], ["plan", gpu, "--root"],
        ["plan", gpu, "--residue", "none"], ["plan", gpu, "--residue", "--json"], ["plan", gpu, "--json", "--json"],
        ["plan", gpu, "--root", "/nowhere"], ["plan", gpu, "--driver", "vfio-pci"], ["plan", gpu, "--help"],
        ["plan", gpu, "--"], ["claim", gpu, "-n"], ["claim", gpu, "--wait", "3601"], ["claim", gpu, "--wait", "x"],
        ["claim", gpu, "--wait=3"], ["guard", gpu, "--lock-wait", "-1"], ["verify", gpu], ["recover"],
        ["guard", gpu, gpu], ["guard", "--on-stop", "leave"],
        ["log", gpu], ["complete"], ["complete", "verbs"], ["complete", "gpus", "drivers"], ["help"], ["--help"],
        ["status", "--ver"], ["status", "0000:01:00.0", "x"],
    ])
    func `everything else is left to the parser`(line: [String]) {
        #expect(PlainArguments(line).verb() == nil)
    }

    @Test func `a version is asked for with one word`() {
        #expect(PlainArguments(["--version"]).asksForVersion)
        #expect(!PlainArguments(["--version", "--json"]).asksForVersion)
        #expect(!PlainArguments(["plan", "--version"]).asksForVersion)
    }
}
