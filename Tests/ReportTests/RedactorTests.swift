import Aperture
import Report
import Testing

struct RedactorTests {
    private static let shown = Set(["0000:01:00.0"].compactMap { PCIAddress($0) })

    private func redactor(_ secrets: [Redactor.Secret] = []) -> Redactor {
        Redactor(secrets, showing: Self.shown)
    }

    @Test(arguments: [
        ("marvin", "host-1"), ("at marvin's", "at host-1's"), ("MARVIN.", "host-1."), ("marvinette", "marvinette"),
        ("vg_marvin", "vg_host-1"), ("x\\x2dmarvin", "x\\x2dhost-1"), ("\\040marvin", "\\040host-1"),
        ("submarvin", "submarvin"), ("deep-thought", "host-2"), ("deep--thought-vg", "host-2-vg"),
        ("deep\\x2dthought", "host-2"), ("Tricia McMillan", "user-1"), ("Tricia_McMillan", "user-1"),
        ("Tricia\\040McMillan", "user-1"), ("deep\\\\x2dthought", "host-2"),
    ])
    func `a name is replaced where it stands as a word, however it is written`(_ text: String, _ expected: String) {
        let redactor = redactor([
            .init(.host, "marvin"), .init(.host, "deep-thought"), .init(.user, "Tricia McMillan"),
        ])
        #expect(redactor.text(text) == expected)
    }

    @Test(arguments: [
        ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "00000000-0000-4000-8000-000000000001"),
        ("GPU-1B4E28BA-2FA1-11D2-883F-0016D3CCA427", "GPU-00000000-0000-4000-8000-000000000001"),
        ("1b4e28ba\\x2d2fa1\\x2d11d2\\x2d883f\\x2d0016d3cca427", "00000000-0000-4000-8000-000000000001"),
        ("luks-1b4e28ba-2fa1-11d2-883f-0016d3cca427", "luks-00000000-0000-4000-8000-000000000001"),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        ("00:e0:4c:68:00:01", "02:00:00:00:00:01"), ("00-E0-4C-68-00-01", "02:00:00:00:00:01"),
        ("enx00e04c680001", "enx020000000001"), ("enp1s0", "enp1s0"),
        ("0123456789abcdef0123456789abcdef", "id-1"), ("0x00000000c0000000", "0x00000000c0000000"),
        ("0000:01:00.0", "0000:01:00.0"), ("0000:02:00.0", "other-1"), ("pci 0000:02:00.0: x", "pci other-1: x"),
        ("pci0000:00", "pci0000:00"), ("10000:e1:00.0", "other-1"), ("0:0:0:0", "0:0:0:0"),
        ("target0:0:0", "target0:0:0"), ("c0000000-c0ffffff", "c0000000-c0ffffff"),
        ("/home/trillian/x", "/home/user-1/x"), ("/run/media/trillian", "/run/media/user-1"),
        ("/dev/disk/by-id/ata-X_WD123", "/dev/disk/by-id/disk-1"),
        ("machine-qemu\\x2d1\\x2dwin10.scope", "machine-guest-1.scope"),
        ("Serial Number: 1322519009", "Serial Number: serial-1"), ("serial=ABC", "serial=serial-1"),
        ("serial console", "serial console"),
    ])
    func `a thing is recognised by its form`(_ text: String, _ expected: String) {
        #expect(redactor().text(text) == expected)
    }

    @Test func `the same thing has the same word, and another has another`() {
        let redactor = redactor()
        let text = redactor.text("00:e0:4c:68:00:01 00:e0:4c:68:00:02 00:E0:4C:68:00:01 enx00e04c680002")
        #expect(text == "02:00:00:00:00:01 02:00:00:00:00:02 02:00:00:00:00:01 enx020000000002")
        let path = redactor.path(["dev", "disk", "by-id", "wwn-1"])
        #expect(path == ["dev", "disk", "by-id", "disk-1"])
        #expect(redactor.text("on /dev/disk/by-id/wwn-1.") == "on /dev/disk/by-id/disk-2")
    }
}
