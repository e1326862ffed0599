import Aperture
import Fixtures
import Testing

struct DisplayCase: Sendable, CustomTestStringConvertible {
    let name: String
    let isLast: Bool
    var taken = ["0000:01:00.0"]
    /// What the snapshot is changed to, for what no file of the fixture says.
    var change: @Sendable (inout Snapshot) -> Void = { _ in }
    let parts: @Sendable () -> [any Part]

    var testDescription: String { name }
}

@Suite("Last display")
struct LastDisplayTests {
    @Test("The last display device that the host can draw on is told", arguments: displays)
    func warning(row: DisplayCase) throws {
        var snapshot = try FixtureHost { row.parts() }.snapshot(withHolders: false)
        row.change(&snapshot)
        let warning = LastDisplay.warning(taking: Set(row.taken.compactMap { PCIAddress($0) }), in: snapshot)
        #expect((warning != nil) == row.isLast)
        #expect(warning.map { $0.contains("dark until the release") } != false)
    }
}

private func card(_ driver: String?, class pciClass: UInt32 = 0x030000, bootVGA: Bool? = nil) -> GPU {
    GPU("0000:01:00.0", class: pciClass, driver: driver, bootVGA: bootVGA)
}

private func second(_ driver: String?, class pciClass: UInt32 = 0x030000, bootVGA: Bool? = nil) -> GPU {
    GPU(
        "0000:02:00.0", class: pciClass, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: driver, bootVGA: bootVGA,
        group: 2)
}

private let screen: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

private let displays =
    [
        DisplayCase(name: "the only card", isLast: true) { [card("amdgpu")] },
        DisplayCase(name: "another card with its driver", isLast: false) { [card("amdgpu"), second("ast")] },
        DisplayCase(name: "both cards are taken", isLast: true, taken: ["0000:01:00.0", "0000:02:00.0"]) {
            [card("amdgpu"), second("ast")]
        },
        DisplayCase(name: "another card without a driver", isLast: true) { [card("amdgpu"), second(nil)] },
        DisplayCase(name: "a 3D controller has no connector", isLast: true) {
            [card("i915"), second("nvidia", class: 0x030200)]
        },
        DisplayCase(name: "the 3D controller is taken, beside a card that is handed over", isLast: false) {
            [card("nvidia", class: 0x030200), second("vfio-pci")]
        },
        DisplayCase(name: "a card that nobody draws on is taken", isLast: false) { [card(nil)] },
        DisplayCase(name: "a card that is handed over already", isLast: false) { [card("vfio-pci")] },
        DisplayCase(
            name: "a virtual function has no screen", isLast: true,
            change: { snapshot in
                for index in snapshot.functions.indices where snapshot.functions[index].address.bus == 2 {
                    snapshot.functions[index].physicalFunction = PCIAddress("0000:01:00.0")
                }
            }
        ) { [card("i915"), second("i915")] },
        DisplayCase(name: "efifb stands on the other card", isLast: false) {
            [card("amdgpu"), second(nil), FirmwareFramebuffer(.efifb, 0xd000_0000...0xd03e_7fff)]
        },
        DisplayCase(name: "efifb stands on this card, without a driver", isLast: true) {
            [card(nil), second("vfio-pci"), FirmwareFramebuffer(.efifb, screen)]
        },
        DisplayCase(name: "simpledrm is this card's child", isLast: true) {
            [card(nil), FirmwareFramebuffer(.simpledrm, screen, parent: "0000:01:00.0", isListed: false)]
        },
        DisplayCase(name: "simpledrm is the other card's child", isLast: false) {
            [
                card("amdgpu"), second(nil),
                FirmwareFramebuffer(.simpledrm, screen, parent: "0000:02:00.0", isListed: false),
            ]
        },
        DisplayCase(name: "simpledrm's place is told by nobody", isLast: true) {
            [card("amdgpu"), FirmwareFramebuffer(.simpledrm, screen, isListed: false)]
        },
        DisplayCase(name: "efifb without a driver draws nothing", isLast: true) {
            [card("amdgpu"), second(nil), FirmwareFramebuffer(.efifb, 0xd000_0000...0xd03e_7fff, isBound: false)]
        },
        DisplayCase(name: "a framebuffer in memory of no card", isLast: false) {
            [card("amdgpu"), FirmwareFramebuffer(.simpledrm, 0x4000_0000...0x403e_7fff)]
        },
        DisplayCase(name: "a text console on the other card", isLast: false) {
            [card("amdgpu"), second(nil, bootVGA: true), Console(0, "(S) VGA+", isBound: true)]
        },
        DisplayCase(name: "a text console on this card", isLast: true) {
            [card(nil, bootVGA: true), second("vfio-pci"), Console(0, "(S) VGA+", isBound: true)]
        },
        DisplayCase(name: "a text console that drives no terminal", isLast: true) {
            [card("amdgpu"), second(nil, bootVGA: true), Console(0, "(S) VGA+", isBound: false)]
        },
        DisplayCase(
            name: "a USB adapter's framebuffer", isLast: false,
            change: { $0.framebuffers.append(FramebufferNode(number: 1, device: "1-2:1.0", memory: nil)) }
        ) { [card("amdgpu")] },
        DisplayCase(
            name: "vkms and this card's own framebuffer are no screens elsewhere", isLast: true,
            change: { snapshot in
                snapshot.framebuffers += ["vkms", "0000:01:00.0"].enumerated().map { number, device in
                    FramebufferNode(number: number, device: device, memory: nil)
                }
            }
        ) { [card("amdgpu")] },
    ]
    + ["vfio-pci", "nvgrace_gpu_vfio_pci", "xe-vfio-pci", "pci-stub", "pciback"].map { (driver: String) in
        DisplayCase(name: "the other card is on \(driver)", isLast: true) { [card("amdgpu"), second(driver)] }
    }
