import Aperture
import Fixtures
import Foundation
import Guard
import Reclaim
import Testing

/// With synthetic uevents; only under umockdev-wrapper, and one at a time.
@Suite("Guard loop", .serialized)
struct GuardLoopTests {
    private static let card = Testbed.Device("pci", "0000:01:00.0")
    private static let otherCard = Testbed.Device("pci", "0000:02:00.0")
    private static let framebuffer = Testbed.Device("platform", "efi-framebuffer.0")
    private static let graphics = Testbed.Device("graphics", "fb0")
    private static let node = Testbed.Device("drm", "card0")
    private static let console = Testbed.Device("vtconsole", "vtcon1")
    private static let usb = Testbed.Device("usb", "1-1")

    private let testbed: Testbed
    private let address: PCIAddress

    init() throws {
        testbed = try Testbed([
            Self.card, Self.otherCard, Self.framebuffer, Self.graphics, Self.node, Self.console, Self.usb,
        ])
        address = try #require(PCIAddress(Self.card.name))
    }

    @Test(
        "Whatever can put a framebuffer or a driver over the card is a change",
        arguments: [card, otherCard, framebuffer, graphics, node, console], ["add", "bind", "change", "unbind"])
    func change(_ device: Testbed.Device, _ action: String) throws {
        let loop = try GuardedLoop()
        for form in Testbed.Form.allCases {
            try testbed.send(action, device, as: form)
            #expect(try loop.next() == .change(areEventsLost: false))
        }
    }

    @Test("An event of another subsystem wakes nobody", arguments: Testbed.Form.allCases)
    func unheard(_ form: Testbed.Form) throws {
        let loop = try GuardedLoop()
        try testbed.send("remove", Self.usb, as: form)
        #expect(try loop.next { try testbed.send("remove", Self.card, as: form) } == .change(areEventsLost: false))
    }

    @Test("Events that came together are one occasion", arguments: Testbed.Form.allCases)
    func together(_ form: Testbed.Form) throws {
        let loop = try GuardedLoop()
        for device in [Self.usb, Self.framebuffer, Self.graphics, Self.usb, Self.node, Self.otherCard] {
            try testbed.send("add", device, as: form)
        }
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(try loop.next { try testbed.send("remove", Self.card, as: form) } == .change(areEventsLost: false))
    }

    @Test("An event that libudev rejects hides none that come after it")
    func rejected() throws {
        let loop = try GuardedLoop()
        try testbed.send("unheard-of", Self.graphics)
        try testbed.send("remove", Self.card)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(try loop.next { try testbed.send("add", Self.graphics) } == .change(areEventsLost: false))
    }

    @Test("A second look comes without an event, once, and not before its time")
    func secondLook() throws {
        let loop = try GuardedLoop()
        let clock = ContinuousClock()
        let start = clock.now
        loop.lookAgain(afterMilliseconds: 200)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(clock.now - start >= .milliseconds(199))
        #expect(try loop.next { try testbed.send("add", Self.graphics) } == .change(areEventsLost: false))
    }

    @Test("Events until a second look are part of it, and none is due after it")
    func lookAndEvents() throws {
        let loop = try GuardedLoop()
        let clock = ContinuousClock()
        let start = clock.now
        loop.lookAgain(afterMilliseconds: 200)
        try testbed.send("add", Self.graphics)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(clock.now - start >= .milliseconds(199))
        #expect(try loop.next { try testbed.send("add", Self.graphics) } == .change(areEventsLost: false))
    }

    @Test("SIGHUP asks for a look, SIGTERM and SIGINT for the end")
    func signals() throws {
        let loop = try GuardedLoop()
        for (signal, occasion) in [(SIGHUP, Occasion.reload), (SIGTERM, .stop), (SIGINT, .stop)] {
            // To this thread: it is blocked in no other.
            try #require(pthread_kill(pthread_self(), signal) == 0)
            #expect(try loop.next() == occasion)
        }
    }

    @Test("A signal goes before events, and takes none of them along")
    func signalFirst() throws {
        let loop = try GuardedLoop()
        try testbed.send("remove", Self.card)
        try #require(pthread_kill(pthread_self(), SIGHUP) == 0)
        #expect(try loop.next() == .reload)
        #expect(try loop.next() == .change(areEventsLost: false))
    }

    @Test("A late framebuffer is seen and evicted, and a removal ends the guard")
    func lateFramebuffer() throws {
        let host = try FixtureHost { GPU(Self.card.name) }
        let loop = try GuardedLoop()
        try claim(host)
        var guardian = Guardian(host: host, address: address, options: ClaimOptions()) { _ in }
        #expect(guardian.check() == .goOn)

        try host.appear(FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff))
        try testbed.send("add", Self.framebuffer)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(guardian.check() == .claimAgain)

        try claim(host)
        guardian.haveClaimed()
        try testbed.send("unbind", Self.framebuffer)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(guardian.check() == .goOn)
        #expect(try !host.folder.text("/proc/iomem").contains("efifb"))

        try host.write("1", to: "/sys/bus/pci/devices/\(Self.card.name)/remove")
        #expect(try loop.next { try testbed.send("remove", Self.card) } == .change(areEventsLost: false))
        #expect(guardian.check() == .end)
    }

    private func claim(_ host: FixtureHost) throws {
        let outcome = try Claimer(host: host, settings: Claimer<FixtureHost>.Settings()).claim(address)
        guard case .claimed = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
    }
}
