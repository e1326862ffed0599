import Aperture
import Fixtures
import Foundation
import Guard
import Reclaim
import Synchronization
import Testing

/// With synthetic uevents, one test at a time: they send signals to themselves.
@Suite("Guard loop", .serialized)
struct GuardLoopTests {
    private static let card = Testbed.Device("pci", "0000:01:00.0")
    private static let otherCard = Testbed.Device("pci", "0000:02:00.0")
    private static let framebuffer = Testbed.Device("platform", "efi-framebuffer.0")
    private static let graphics = Testbed.Device("graphics", "fb0")
    private static let node = Testbed.Device("drm", "card0")
    private static let console = Testbed.Device("vtconsole", "vtcon1")
    private static let usb = Testbed.Device("usb", "1-1")

    private static let sibling = Testbed.Device("pci", "0000:01:00.1")
    private static let otherPlatform = Testbed.Device("platform", "serial8250")

    private let testbed: Testbed
    private let address: PCIAddress

    init() throws {
        testbed = try Testbed()
        address = try #require(PCIAddress(Self.card.name))
    }

    private func guarded() throws -> GuardedLoop { try GuardedLoop(address, testbed) }

    @Test(
        "Whatever can put a framebuffer or a driver over the card is a change",
        arguments: [card, sibling, framebuffer, graphics, node, console], ["add", "bind", "change", "unbind", "remove"])
    func change(_ device: Testbed.Device, _ action: String) throws {
        let loop = try guarded()
        try testbed.send(action, device)
        #expect(try loop.next() == .change(areEventsLost: false))
    }

    @Test("An event of another device wakes nobody", arguments: [usb, otherCard, otherPlatform])
    func unheard(_ device: Testbed.Device) throws {
        let loop = try guarded()
        try testbed.send("remove", device)
        #expect(try loop.next { try testbed.send("remove", Self.card) } == .change(areEventsLost: false))
    }

    @Test("Events that came together are one wakeup")
    func together() throws {
        let loop = try guarded()
        for device in [Self.usb, Self.framebuffer, Self.graphics, Self.usb, Self.node, Self.otherCard] {
            try testbed.send("add", device)
        }
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(try loop.next { try testbed.send("remove", Self.card) } == .change(areEventsLost: false))
    }

    @Test(
        "A datagram that makes no sense hides none that come after it",
        arguments: [
            "", "\0", "add@/devices/x", "add@/devices/x\0ACTION=add\0", "a\0ACTION=add\0DEVPATH=/\0SUBSYSTEM=pci\0",
        ])
    func senseless(_ datagram: String) throws {
        let loop = try guarded()
        try testbed.send(datagram)
        try testbed.send("remove", Self.card)
        #expect(try loop.next() == .change(areEventsLost: false))
    }

    @Test("In a flood of foreign events a signal is answered at once, and signs of life go on", .timeLimit(.minutes(1)))
    func flood() throws {
        let loop = try guarded()
        let isOver = Atomic(false)
        let sent = Atomic(0)
        let flood = Thread { [testbed] in
            let count = testbed.flood("change", Self.otherCard) { isOver.load(ordering: .relaxed) }
            sent.store(count, ordering: .relaxed)
        }
        flood.start()
        let thread = pthread_self()
        let asking = Mutex<ContinuousClock.Instant?>(nil)
        DispatchQueue.global().asyncAfter(deadline: .now() + 1) {
            asking.withLock { $0 = ContinuousClock().now }
            pthread_kill(thread, SIGTERM)
        }
        let signs = loop.signs
        let begun = ContinuousClock().now
        #expect(try loop.next() == .stop)
        let asked = try #require(asking.withLock { $0 })
        #expect(ContinuousClock().now - asked < .milliseconds(200))
        isOver.store(true, ordering: .relaxed)
        while flood.isExecuting { usleep(1000) }
        #expect(sent.load(ordering: .relaxed) > 1000)
        // One in 20 milliseconds; a loaded machine gives fewer, and never more.
        let given = loop.signs - signs
        #expect(given >= 5)
        #expect(given <= Int((ContinuousClock().now - begun) / .milliseconds(20)) + 1)
    }

    @Test("Events of the card itself are looked after, and not at each of them")
    func ownEvents() throws {
        let loop = try guarded()
        let isOver = Atomic(false)
        let flood = Thread { [testbed] in
            _ = testbed.flood("change", Self.card) { isOver.load(ordering: .relaxed) }
        }
        flood.start()
        defer { isOver.store(true, ordering: .relaxed) }
        let clock = ContinuousClock()
        let start = clock.now
        var looks = 0
        while clock.now - start < .seconds(1) {
            #expect(try loop.next() == .change(areEventsLost: false))
            looks += 1
            // A look takes its time.
            usleep(10_000)
        }
        // Each is followed by twenty times as long without one.
        #expect((2...6).contains(looks))
    }

    @Test("A second look comes without an event, once, and not before its time")
    func secondLook() throws {
        let loop = try guarded()
        let clock = ContinuousClock()
        let start = clock.now
        loop.lookAgain(afterMilliseconds: 200)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(clock.now - start >= .milliseconds(199))
        #expect(try loop.next { try testbed.send("add", Self.graphics) } == .change(areEventsLost: false))
    }

    @Test("Events until a second look are part of it, and none is due after it")
    func lookAndEvents() throws {
        let loop = try guarded()
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
        let loop = try guarded()
        for (signal, wakeup) in [(SIGHUP, Wakeup.reload), (SIGTERM, .stop), (SIGINT, .stop)] {
            // To this thread: it is blocked in no other.
            try #require(pthread_kill(pthread_self(), signal) == 0)
            #expect(try loop.next() == wakeup)
        }
    }

    @Test("A signal goes before events, and takes none of them along")
    func signalFirst() throws {
        let loop = try guarded()
        try testbed.send("remove", Self.card)
        try #require(pthread_kill(pthread_self(), SIGHUP) == 0)
        #expect(try loop.next() == .reload)
        #expect(try loop.next() == .change(areEventsLost: false))
    }

    @Test("A late framebuffer is seen and evicted, and a removal ends the guard")
    func lateFramebuffer() throws {
        let host = try FixtureHost { GPU(Self.card.name) }
        let loop = try guarded()
        try claim(host)
        var check = ClaimCheck(host: host, address: address, options: ClaimOptions()) { _ in }
        #expect(check.check() == .goOn)

        try host.kernel.appear(FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff))
        try testbed.send("add", Self.framebuffer)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(check.check() == .claimAgain)

        try claim(host)
        check.claimSucceeded()
        try testbed.send("unbind", Self.framebuffer)
        #expect(try loop.next() == .change(areEventsLost: false))
        #expect(check.check() == .goOn)
        #expect(try !host.folder.text("/proc/iomem").contains("efifb"))

        try host.write("1", to: "/sys/bus/pci/devices/\(Self.card.name)/remove")
        #expect(try loop.next { try testbed.send("remove", Self.card) } == .change(areEventsLost: false))
        #expect(check.check() == .end)
    }

    private func claim(_ host: FixtureHost) throws {
        let outcome = try Claimer(host: host, settings: Claimer<FixtureHost>.Settings()).claim(address)
        guard case .claimed = outcome.result else {
            Issue.record("\(outcome.result)")
            return
        }
    }
}
