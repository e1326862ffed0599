import Aperture
import Fixtures
import Foundation
import Guard
import KernelFiles
import Reclaim
import Record
import SystemPackage
import Testing

@testable import apertured

struct JointMetricsTests {
    private static let addresses = (0..<8).map { "0000:0\($0):10.0" }

    @Test(arguments: [true, false])
    func `the claims of all cards are counted, and the file is as new as the last of them`(hasThread: Bool) throws {
        let host = try FixtureHost { () -> [any Part] in
            Self.addresses.enumerated().map { number, address in
                let base = 0x40_0000_0000 + UInt64(number) << 24
                return GPU(address, bars: [BAR(0, base...(base + 0xff_ffff))], group: number + 1)
            }
        }
        let tree = FileTree(root: FilePath(host.folder.path))
        let file = "/run/apertured/metrics/apertured.prom"
        try host.folder.write("[Metrics]\nFile=\(file)\n", to: "/etc/apertured.conf")
        let cards = try Self.addresses.map { try #require(PCIAddress($0)) }
        // As the units make the folder.
        _ = try GuardLock(ofJointGuardIn: tree, as: "apertured guard (pid 1)")
        let warnings = Warnings()
        let metrics = JointMetrics(on: MachineHost(tree: tree), warn: warnings.add)
        if hasThread { metrics.start() }
        DispatchQueue.concurrentPerform(iterations: cards.count) { number in
            metrics.follow(cards[number], .claimRefused(Refusal(.inUse, "It is in use.", remedy: "Wait.")))
            // A further reason of the same refusal.
            metrics.follow(cards[number], .claimRefused(Refusal(.noIOMMU, "It has none.", remedy: "Switch it on.")))
        }
        metrics.finish()
        for card in cards {
            let counters = try CounterStore(tree: tree).load(card)
            #expect(counters.claims == 1)
            #expect(counters.failures == ["in-use": 1])
        }
        let text = try host.folder.text(file)
        for address in Self.addresses {
            #expect(text.contains("apertured_claim_failures_total{gpu=\"\(address)\",code=\"in-use\"} 1\n"))
        }
        #expect(warnings.texts.isEmpty)
    }

    @Test func `each try of a guard is counted, also after one that was guarding`() throws {
        let host = try FixtureHost { GPU("0000:01:00.0", bars: [BAR(0, 0x40_0000_0000...0x40_00ff_ffff)], group: 1) }
        let tree = FileTree(root: FilePath(host.folder.path))
        let card = try #require(PCIAddress("0000:01:00.0"))
        _ = try GuardLock(ofJointGuardIn: tree, as: "apertured guard (pid 1)")
        let metrics = JointMetrics(on: MachineHost(tree: tree), warn: { _ in })
        // A try that fails before it has a plan, again and again.
        for _ in 0..<3 {
            metrics.follow(card, .begins)
            metrics.follow(card, .failed("The machine could not be read."))
        }
        metrics.follow(card, .begins)
        metrics.follow(card, .guarding)
        metrics.follow(card, .gone)
        // Another card is in its place.
        metrics.follow(card, .begins)
        metrics.follow(card, .configurationRefused(Refusal(.configurationMismatch, "It is another.", remedy: "Look.")))
        metrics.finish()
        #expect(try CounterStore(tree: tree).load(card).failures == ["failed": 3, "configuration-mismatch": 1])
    }
}

private final class Warnings: @unchecked Sendable {
    private let lock = NSLock()
    private var told: [String] = []

    func add(_ text: String) { lock.withLock { told.append(text) } }

    var texts: [String] { lock.withLock { told } }
}
