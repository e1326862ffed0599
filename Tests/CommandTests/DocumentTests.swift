import Aperture
import Fixtures
import Foundation
import Reclaim
import Record
import SystemPackage
import Testing
import VFIO
import apertured

private let gpu = "0000:01:00.0"

/// What `--json` prints. schema/check holds all of it against the schemas: here are the documents that a run on plain
/// files cannot have, as nothing reacts there.
struct DocumentTests {
    private static func conflicted() throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, class: 0x038000, group: 3)
            Function("0000:01:00.1", class: 0x040300, driver: "snd_hda_intel", group: 3)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu)
        }
    }

    /// Keeps the document, and returns the value of one of its members as text.
    private func member(_ name: String, of text: String, _ verb: String) throws -> String {
        try Document.keep(text, of: verb)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        return "\(try #require(object?[name]))"
    }

    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

    @Test func `every verb that takes --json has a schema, and no other`() throws {
        let verbs = try CommandLine.run("--help").output.matches(of: #/(?m)^  ([a-z-]+) +[A-Z]/#).map { String($0.1) }
        #expect(verbs.contains("status"))
        let printing = try verbs.filter { try CommandLine.run($0, "--help").output.contains("--json") }
        let schemas = try FileManager.default.contentsOfDirectory(atPath: Self.repository.path + "/schema")
        #expect(Set(schemas.filter { $0.hasSuffix(".json") }) == Set(printing.map { "\($0).json" }))
    }

    @Test func `GPUs in many states, and one that is not there`() throws {
        let host = try FixtureHost {
            GPU(gpu, class: 0x030000, bootVGA: true)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff, parent: gpu)
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "vfio-pci", group: 2)
            GPU("0000:03:00.0", bars: [BAR(0, 0xe000_0000...0xe0ff_ffff)], driver: "i915", group: 3)
            GPU("0000:04:00.0", bars: [BAR(0, 0xf000_0000...0xf0ff_ffff)], group: nil)
        }
        let result = try CommandLine.run("status", "--json", "--root", host.folder.path)
        let rows = try #require(try result.object["gpus"] as? [[String: Any]])
        #expect(rows.map { $0["state"] as? String } == ["framebuffer", "vfio", "host", "free"])
        let absent = try CommandLine.run("status", "0000:09:00.0", "--json", "--root", host.folder.path)
        #expect(absent.status == 3)
        #expect(absent.output.contains("no-such-device"))
    }

    @Test func `a claim, its proof and its release`() throws {
        let host = try Self.conflicted()
        let address = try #require(PCIAddress(gpu))
        #expect(try member("result", of: OutcomeDocument(try host.claim()).text, "claim") == "claimed")
        let report = try Verifier(host: host).verify(address)
        #expect(try member("verified", of: VerificationDocument(report).text, "verify") == "1")
        let release = try host.release()
        #expect(try member("result", of: ReleaseDocument(address, release).text, "release") == "released")
    }

    @Test func `a claim that fails is undone, and its document tells`() throws {
        let host = try Self.conflicted()
        host.barsThatVFIOLacks = [0]
        let text = OutcomeDocument(try host.claim()).text
        #expect(try member("result", of: text, "claim") == "failed")
        #expect(try member("undo", of: text, "claim").contains("restore-framebuffer-override"))
    }

    @Test func `a proof of BARs of every kind`() throws {
        let address = try #require(PCIAddress("10000:01:00.0"))
        let outcomes: [RegionProof.Outcome] = [
            .mapped, .smallerThanPage, .ports, .notMappable, .missing, .unsized(.ioError), .failed(.resourceBusy),
            .unreadable(.ioError),
        ]
        let kept = RegionProof.KeptBack(range: 0x1000..<0x2000, holdsMSIXTable: true, isMapped: false)
        var outcome = try Self.conflicted().claim(proves: false)
        outcome.proofs = outcomes.enumerated().map { number, outcome in
            RegionProof(
                address: address, interface: number % 2 == 0 ? .group : .iommufd, bar: number % 6, size: 0x4000,
                outcome: outcome, isRead: number == 0, keptBack: number == 0 ? [kept] : [])
        }
        let text = OutcomeDocument(outcome).text
        let regions = try member("regions", of: text, "claim")
        #expect(regions.contains("smaller-than-page") && regions.contains("kept-back"))
    }

    @Test func `a way back that did not come to its end`() throws {
        let host = try Self.conflicted()
        let address = try #require(PCIAddress(gpu))
        let step = try #require(Planner.plan(for: address, in: try host.snapshot(withHolders: false)).steps.first)
        // Its initialiser is the module's own.
        var restoration = ReleaseOutcome(result: .failed).restoration
        restoration.performed = [step]
        restoration.failures = [StepFailure(step: step, errno: .ioError, found: "nothing")]
        restoration.losses = ["BAR 0 has moved."]
        restoration.refusals = [Refusal(.inUse, "The card is in use.", remedy: "Stop the guest.")]
        restoration.interruption = .snapshot(.device(gpu, reason: "it makes no sense"))
        let outcome = ReleaseOutcome(result: .failed, announced: ["BAR 0 has moved."], restoration: restoration)
        #expect(try member("result", of: ReleaseDocument(address, outcome).text, "release") == "failed")
        let rows: [(PCIAddress, Restoration?)] = [(address, restoration), (address, nil)]
        #expect(try member("gpus", of: RecoveryDocument(rows).text, "recover").contains("makes no sense"))
    }

    @Test(arguments: Refusal.Code.allCases)
    func `every refusal can be printed`(code: Refusal.Code) throws {
        let address = try #require(PCIAddress(gpu))
        let refusal = Refusal(code, "It is.", remedy: "Do not.")
        #expect(try member("result", of: OutcomeDocument(refused: refusal, address).text, "claim") == "refused")
    }

    @Test(arguments: PlanStep.Rung.allCases)
    func `every rung has a name that the schemas accept`(rung: PlanStep.Rung) throws {
        let schema = try String(contentsOf: Self.repository.appending(path: "schema/plan.json"), encoding: .utf8)
        let pattern = try #require(schema.firstMatch(of: /"word": \{[^}]*"pattern": "([^"]+)"/)).output.1
        #expect(rung.rawValue.contains(try Regex(String(pattern))))
    }

    @Test(arguments: ExitStatusTests.runs.filter { $0.command[0] != "post-stop" })
    func `a document has the status of the run that prints it`(run: ExitStatusTests.Run) throws {
        let host = try run.machine()
        let result = try CommandLine.run(run.command + ["--json", "--root", host.folder.path])
        #expect(result.status == run.status, "\(result.output)\(result.errors)")
        // A run that fails before it has an outcome prints no document.
        if !result.output.isEmpty { #expect(try result.object["version"] as? Int == 1) }
    }
}
