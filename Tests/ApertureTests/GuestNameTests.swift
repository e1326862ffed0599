import Aperture
import Testing

/// What a process's command line says of its guest.
@Suite("Guest names")
struct GuestNameTests {
    @Test(
        "QEMU's -name names the guest",
        arguments: [
            (["/usr/bin/qemu-system-x86_64", "-name", "guest=win10,debug-threads=on"], "win10"),
            (["/usr/bin/kvm", "-id", "100", "-name", "win10,debug-threads=on"], "win10"),
            (["/usr/libexec/qemu-kvm", "--name", "process=x,guest=a"], "a"),
            (["qemu-system-x86_64", "-name", "a,,b"], "a,b"),
            (["qemu-system-x86_64", "-name", "a", "-m", "1G", "-name", "b"], "b"),
            (["qemu-system-x86_64", "-name", "a", "-name", "process=x"], "a"),
            (["qemu-system-x86_64", "-name", "guest="], nil),
            (["qemu-system-x86_64", "-name", "process=x"], nil),
            (["qemu-system-x86_64", "-m", "1G"], nil),
            (["qemu-system-x86_64", "-name"], nil),
            (["/usr/bin/find", "/", "-name", "guest=x"], nil),
            (["qemu-system-x86_64", "-name", "a\u{1b}[2J\n\u{202e}b"], "a?[2J??b"),
            (
                ["qemu-system-x86_64", "-name", String(repeating: "x", count: 101)],
                String(repeating: "x", count: 100) + "…"
            ),
            ([], nil),
        ] as [([String], String?)])
    func names(_ arguments: [String], _ name: String?) {
        #expect(GuestName.read(from: arguments.flatMap { Array($0.utf8) + [0] }) == name)
    }

    @Test("A name whose end is cut off is no name")
    func cut() {
        let whole = Array("qemu-system-x86_64\0-name\0guest=windows\0".utf8)
        for length in 0..<whole.count { #expect(GuestName.read(from: whole.prefix(length)) == nil, "\(length)") }
        #expect(GuestName.read(from: whole) == "windows")
    }
}
