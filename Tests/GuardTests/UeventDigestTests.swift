import Aperture
import Guard
import Testing
import Udev

@Suite("Digest of uevents")
struct UeventDigestTests {
    private let gpu: PCIAddress

    init() throws {
        gpu = try #require(PCIAddress("0000:01:00.0"))
    }

    private func digest(_ events: [Uevent]) -> UeventDigest {
        var digest = UeventDigest(of: gpu)
        for event in events { digest.note(event) }
        return digest
    }

    private let removal = Uevent(action: "remove", subsystem: "pci", name: "0000:01:00.0")
    private let change = Uevent(action: "add", subsystem: "platform", name: "efi-framebuffer.0")

    @Test("Nothing came, nothing is to be done")
    func nothing() {
        #expect(digest([]).occasion == nil)
    }

    @Test("The card's removal is told wherever it stands among the others")
    func removed() {
        #expect(digest([removal]).occasion == .removed)
        #expect(digest([removal, change]).occasion == .removed)
        #expect(digest([change, removal]).occasion == .removed)
    }

    @Test("A card that came back at once was removed all the same")
    func back() {
        let addition = Uevent(action: "add", subsystem: "pci", name: "0000:01:00.0")
        #expect(digest([removal, addition]).occasion == .removed)
    }

    @Test(
        "What differs from the card's removal in one thing is a change",
        arguments: [
            Uevent(action: "add", subsystem: "pci", name: "0000:01:00.0"),
            Uevent(action: "removed", subsystem: "pci", name: "0000:01:00.0"),
            Uevent(action: "", subsystem: "pci", name: "0000:01:00.0"),
            Uevent(action: "remove", subsystem: "pci_bus", name: "0000:01:00.0"),
            Uevent(action: "remove", subsystem: "drm", name: "0000:01:00.0"),
            Uevent(action: "remove", subsystem: "pci", name: "0000:01:00.1"),
            Uevent(action: "remove", subsystem: "pci", name: "01:00.0"),
            Uevent(action: "remove", subsystem: "pci", name: ""),
        ])
    func otherwise(_ event: Uevent) {
        #expect(digest([event]).occasion == .change(areEventsLost: false))
    }

    @Test("A loss is told with what came before and after it, and alone")
    func lost() {
        var alone = digest([])
        alone.noteLoss()
        #expect(alone.occasion == .change(areEventsLost: true))
        var after = digest([change])
        after.noteLoss()
        #expect(after.occasion == .change(areEventsLost: true))
        after.note(change)
        #expect(after.occasion == .change(areEventsLost: true))
        after.note(removal)
        #expect(after.occasion == .removed)
    }

    @Test("A field that an event does not have is empty, and one that is not UTF-8 is told as far as it is")
    func fields() {
        let name: [CChar] = Array("0000:01:00.0".utf8CString.dropLast()) + [-1, 0]
        let event = unsafe Uevent(action: "remove", subsystem: nil, name: name)
        #expect(event == Uevent(action: "remove", subsystem: "", name: "0000:01:00.0\u{fffd}"))
        #expect(digest([event]).occasion == .change(areEventsLost: false))
    }
}
