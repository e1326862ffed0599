import Aperture
import Enabling
import Fixtures
import KernelFiles
import SystemPackage
import Testing

struct JointEnablementTests {
    private let folder: TemporaryFolder
    private let tree: FileTree
    private let gpu: PCIAddress

    init() throws {
        folder = try TemporaryFolder()
        tree = FileTree(root: FilePath(folder.path))
        gpu = try #require(PCIAddress("0000:01:00.0"))
        try folder.write("[GPU]\nAddress=\(gpu)\nEnabled=yes\n", to: "/etc/apertured.conf")
    }

    private func enablement(isRunning: Bool = false) -> Enablement {
        JointEnablement(tree: tree, among: [], isRunning: isRunning).adding(to: EnablementReader(tree: tree).read(gpu))
    }

    @Test func `a card of an enabled service is enabled, and one of a service that is not is not`() throws {
        #expect(enablement().isEnabled == false)
        #expect(enablement(isRunning: true).isEnabled == true)
        try folder.makeFolder("/etc/systemd/system/multi-user.target.wants")
        try folder.link(
            "/etc/systemd/system/multi-user.target.wants/apertured.service",
            to: "/usr/lib/systemd/system/apertured.service")
        #expect(enablement().isEnabled == true)
        try folder.write("[GPU]\nAddress=\(gpu)\nEnabled=no\n", to: "/etc/apertured.conf")
        #expect(enablement().isEnabled == false)
    }

    @Test func `a configuration that cannot be read tells nothing of the card`() throws {
        try folder.makeFolder("/etc/apertured.conf.d/50.conf")
        let joint = JointEnablement(tree: tree, among: [], isRunning: true)
        #expect(joint.cards.value == nil)
        #expect(enablement(isRunning: true).isEnabled == nil)
        // Without such a guard the file is not asked.
        #expect(enablement().isEnabled == false)
        // A unit of its own enables the card, whatever the file says.
        try folder.makeFolder("/etc/systemd/system/multi-user.target.wants")
        try folder.link(
            "/etc/systemd/system/multi-user.target.wants/apertured@\(gpu).service",
            to: "/usr/lib/systemd/system/apertured@.service")
        #expect(enablement(isRunning: true).isEnabled == true)
    }

    @Test(arguments: EnablementLink.folders)
    func `a masked service guards nothing, and a guard in a container does`(folder place: String) throws {
        try folder.makeFolder("/etc/systemd/system/multi-user.target.wants")
        try folder.link(
            "/etc/systemd/system/multi-user.target.wants/apertured.service",
            to: "/usr/lib/systemd/system/apertured.service")
        #expect(enablement().isEnabled == true)
        try folder.makeFolder(place)
        try folder.symlink("\(place)/apertured.service", destination: "/dev/null")
        #expect(enablement().isEnabled == false)
        #expect(enablement(isRunning: true).isEnabled == true)
    }
}
