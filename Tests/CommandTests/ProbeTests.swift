import Aperture
import Fixtures
import Foundation
import KernelFiles
import Record
import SystemPackage
import Testing

@testable import apertured

struct ProbeTests {
    private let host: FixtureHost
    private let tree: FileTree
    private let gpu: PCIAddress

    init() throws {
        host = try FixtureHost { GPU(FixtureHost.usualGPU) }
        tree = FileTree(root: FilePath(host.folder.path))
        gpu = try #require(PCIAddress(FixtureHost.usualGPU))
        try host.folder.write("[GPU]\nAddress=\(gpu)\nEnabled=yes\n", to: "/etc/apertured.conf")
    }

    private func complaint(_ kind: ProbeKind) throws -> String? {
        try Probe(kind: kind, addresses: [], host: Status(tree: tree).host).complaint()
    }

    @Test func `without a guard nothing is alive`() throws {
        #expect(try complaint(.alive) == "no guard of several cards runs here")
        #expect(try complaint(.ready) == "no guard of several cards runs here")
    }

    @Test func `a guard that gives signs is alive, and ready when its cards are claimed and guarded`() throws {
        let joint = try GuardLock(ofJointGuardIn: tree, as: "apertured guard (pid 1)")
        joint.beat()
        #expect(try complaint(.alive) == nil)
        #expect(try complaint(.ready) == "\(gpu) is not claimed")
        #expect(try host.claim().isClaimed)
        #expect(try complaint(.ready) == "\(gpu) is claimed, and not guarded")
        let own = try GuardLock(of: gpu, in: tree, as: "apertured guard (pid 1)")
        #expect(try complaint(.ready) == nil)
        _ = consume own
        _ = consume joint
        #expect(try complaint(.alive) != nil)
    }

    @Test func `a card that is enabled and not there is nobody's fault`() throws {
        let joint = try GuardLock(ofJointGuardIn: tree, as: "apertured guard (pid 1)")
        try host.folder.write("[GPU]\nAddress=0000:09:00.0\nEnabled=yes\n", to: "/etc/apertured.conf")
        #expect(try complaint(.ready) == nil)
        _ = consume joint
    }

    @Test func `a guard whose last sign is old hangs`() throws {
        let joint = try GuardLock(ofJointGuardIn: tree, as: "apertured guard (pid 1)")
        let path = "\(host.folder.path)/run/apertured/joint.guard"
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -500)], ofItemAtPath: path)
        #expect(try complaint(.alive)?.hasPrefix("the guard has given no sign of life for ") == true)
        joint.beat()
        #expect(try complaint(.alive) == nil)
    }
}
