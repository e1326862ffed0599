import Fixtures
import Foundation
import Testing

/// `enable`, `disable` and `reservations`, as far as they run no program of the system's.
struct EnableTests {
    private static let gpu = "0000:01:00.0"
    private static let pin = "/etc/apertured.conf.d/pin-0000:01:00.0.conf"

    private let host: FixtureHost

    init() throws {
        host = try FixtureHost { GPU(Self.gpu, class: 0x038000, group: 3) }
    }

    private func run(_ words: String...) throws -> CommandLine.Result {
        try CommandLine.run(words + ["--root", host.folder.path])
    }

    private func link(_ instance: String = gpu) throws {
        let wants = "/etc/systemd/system/sys-subsystem-pci-devices-\(instance).device.wants"
        try host.folder.makeFolder(wants)
        try host.folder.symlink(
            "\(wants)/apertured@\(instance).service", destination: "/usr/lib/systemd/system/apertured@.service")
    }

    @Test func `a device that does not exist is refused, and nothing is written`() throws {
        let result = try run("enable", "0000:07:00.0")
        #expect(result.status == 3)
        #expect(result.errors.contains("refused: no-such-device"))
        #expect(!host.folder.exists("/etc"))
    }

    @Test func `a card that the configuration refuses is refused, and nothing is written`() throws {
        try host.folder.write("[GPU]\nAddress=\(Self.gpu)\nId=10de:1c82\n", to: "/etc/apertured.conf.d/50-guest.conf")
        let result = try run("enable", Self.gpu)
        #expect(result.status == 3)
        #expect(result.errors.contains("refused: configuration-mismatch: /etc/apertured.conf.d/50-guest.conf:1"))
        #expect(!result.errors.contains("apertured disable"))
        #expect(!host.folder.exists(Self.pin))
    }

    @Test func `a card that took the place of the pinned one is refused, with the way on`() throws {
        try host.folder.write("[GPU]\nAddress=\(Self.gpu)\nId=10de:1c82\n", to: Self.pin)
        let result = try run("enable", Self.gpu)
        #expect(result.status == 3)
        #expect(result.errors.contains("apertured disable \(Self.gpu), and enable it"))
    }

    @Test func `a masked unit is refused`() throws {
        try host.folder.makeFolder("/etc/systemd/system")
        try host.folder.symlink("/etc/systemd/system/apertured@.service", destination: "/dev/null")
        let result = try run("enable", Self.gpu)
        #expect(result.status == 3)
        #expect(result.errors.contains("remove /etc/systemd/system/apertured@.service with 'systemctl unmask'"))
    }

    @Test func `a card that cannot be claimed now is not enabled with --now`() throws {
        try host.folder.remove("/sys/bus/pci/devices/\(Self.gpu)/iommu_group")
        let result = try run("enable", Self.gpu, "--now")
        #expect(result.status == 3)
        #expect(result.output.hasPrefix("\(Self.gpu): the plan's verdict is refused\n"))
        #expect(result.errors.contains("refused: no-iommu"))
        #expect(!host.folder.exists("/etc"))
    }

    @Test func `disable is content with a GPU that is not enabled, and removes its pin`() throws {
        let text = "# Written by \"apertured enable \(Self.gpu)\"\n#\n[GPU]\nAddress=\(Self.gpu)\nId=1234:1111\n"
        try host.folder.write(text, to: Self.pin)
        let result = try run("disable", Self.gpu)
        #expect(result.status == 0)
        #expect(result.output.contains("\(Self.gpu): not enabled: apertured@\(Self.gpu).service\n"))
        #expect(result.output.contains("\(Self.gpu): the pin is removed: \(Self.pin)\n"))
        #expect(!host.folder.exists(Self.pin))
    }

    @Test func `the list has the enabled GPUs, each with what the card is`() throws {
        #expect(try run("reservations").output.isEmpty)
        try link()
        let result = try run("reservations")
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        #expect(result.output.hasPrefix("gpu=\(Self.gpu) driver=vfio-pci module=vfio-pci id=1234:1111 "))
        #expect(result.output.hasSuffix("/\(Self.gpu)\n"))
    }

    @Test func `an enabled GPU that cannot be listed is named, and the list is made all the same`() throws {
        try link()
        try link("0000:09:00.0")
        let result = try run("reservations")
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\n").count == 1)
        #expect(result.errors.contains("0000:09:00.0: warning: it is enabled, and not reserved in the initramfs"))
    }

    @Test func `without a readable configuration there is no list`() throws {
        try link()
        try host.folder.makeFolder("/etc/apertured.conf")
        let result = try run("reservations")
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("no GPU is reserved in the initramfs"))
    }

    @Test func `nor where the configuration decides which GPUs are enabled`() throws {
        try host.folder.makeFolder("/etc/systemd/system/multi-user.target.wants")
        try host.folder.link(
            "/etc/systemd/system/multi-user.target.wants/apertured.service",
            to: "/usr/lib/systemd/system/apertured.service")
        try host.folder.write("[GPU]\nAddress=\(Self.gpu)\nEnabled=yes\n", to: "/etc/apertured.conf.d/50.conf")
        #expect(try run("reservations").output.hasPrefix("gpu=\(Self.gpu) "))
        try host.folder.makeFolder("/etc/apertured.conf")
        let result = try run("reservations")
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("no GPU is reserved in the initramfs"))
    }
}
